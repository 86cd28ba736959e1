"""An invented data set of movies: IMDb's tables, and a video site on loopback with trailers of some of the movies.

Movie ``n`` has five videos. The best score has its trailer, except for the movies in FIRST:

    good     its trailer                          copy     the trailer of another movie, in another size
    padded   its trailer with bars, after 3.5 s of black
    narrow   a vertical video                     wrong    the trailer of another movie
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from corpus import ffmpeg
from server import NEVER, Page, Server
from trailers.tools.titles import BASICS_COLUMNS, RATINGS_COLUMNS

MOVIES, OFFERED = 2000, 12  # movies in IMDb's tables; the first of them, whose trailers the site has
GENRES = ("Action", "Drama", "Action,Drama", "Comedy", "Documentary", r"\N")
SECONDS, SHOTS = 8, 8

# Movie -> the video with the best score, if that is not its trailer.
FIRST = {3: "padded", 5: "wrong", 7: "narrow", 9: "copy"}
KINDS = ("good", "copy", "padded", "narrow", "wrong")

# A plugin for yt-dlp, which the jobs of a run also find below XDG_CONFIG_HOME: a search, and the pages of videos.
PLUGIN = """
from yt_dlp.extractor.common import InfoExtractor, SearchInfoExtractor

class MovieSearchIE(SearchInfoExtractor):
    _SEARCH_KEY = "moviesearch"
    def _search_results(self, query):
        for entry in self._download_json("ADDRESS/search/" + query.replace(" ", "_"), query):
            yield self.url_result("ADDRESS/watch/" + entry["id"], **entry)

class MovieIE(InfoExtractor):
    _VALID_URL = r"http://127\\.0\\.0\\.1:\\d+/watch/(?P<id>\\w+)"
    def _real_extract(self, url):
        video = self._match_id(url)
        values = self._download_json(url, video)
        formats = [{"format_id": "0", "url": "ADDRESS/" + video + ".mp4", "ext": "mp4"}]
        return {"id": video, **values, "formats": formats}
"""


def year_of(n: int) -> int:
    return 1990 + n % 30


def id_of(n: int) -> str:
    return f"tt{n:07}"


def write_imdb(folder: Path) -> None:
    """Write IMDb's tables. Movies are numbered by rating; from 20 on, some are series or have no year or few votes."""
    basics, ratings = [], []
    for n in range(MOVIES):
        defect = n % 9 if n >= 20 else 0
        kind, year = ("tvSeries" if defect == 8 else "movie"), (r"\N" if defect == 7 else str(year_of(n)))
        genres = GENRES[n % 4] if n < 20 else GENRES[n % 6]
        basics.append("\t".join((id_of(n), kind, f"Movie {n}", f"Movie {n}", "0", year, r"\N", "100", genres)))
        ratings.append(f"{id_of(n)}\t{9.9 - n / 250:.1f}\t{10 if defect == 6 else 9000 - n}")
    for name, columns, rows in (("basics", BASICS_COLUMNS, basics), ("ratings", RATINGS_COLUMNS, ratings)):
        text = "\n".join(["\t".join(columns), *rows]) + "\n"
        (folder / f"title.{name}.tsv.gz").write_bytes(gzip.compress(text.encode(), 1))


def make_videos(folder: Path) -> None:
    """Make {kind}{n}.mp4 for every movie on the site; the wrong one is the trailer of the next movie."""
    for n in range(OFFERED):
        shots = [f"gradients=s=192x108:r=24:seed={100 * n + k + 1}:n=4:speed=0.03:d=1" for k in range(SHOTS)]
        inputs = [word for shot in shots for word in ("-f", "lavfi", "-i", shot)]
        join = "".join(f"[{k}]" for k in range(SHOTS)) + f"concat=n={SHOTS},noise=alls=4"
        ffmpeg(*inputs, "-filter_complex", join, *ENCODED, folder / f"good{n}.mp4")
    for n in range(OFFERED):
        if n in FIRST:
            source = n - 1 if FIRST[n] == "copy" else n
            ffmpeg(
                "-i", folder / f"good{source}.mp4", "-vf", CHANGES[FIRST[n]], *ENCODED, folder / f"{FIRST[n]}{n}.mp4"
            )
    for n, kind in ((n, kind) for n in range(OFFERED) for kind in KINDS):
        path = folder / f"{kind}{n}.mp4"
        if not path.exists():  # videos that are listed but never best
            path.write_bytes((folder / f"good{(n + (kind == 'wrong')) % OFFERED}.mp4").read_bytes())


ENCODED = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1")
CHANGES = {
    "copy": "scale=256:144,eq=brightness=0.02",
    "padded": "pad=192:144:0:18,tpad=start_duration=3.5:color=black",
    "narrow": "crop=60:108,scale=90:160",
    "wrong": "hue=h=20",
}


def entries_of(n: int) -> list[dict[str, object]]:
    """The results of the site for movie ``n``."""
    name, year = f"Movie {n}", year_of(n)
    videos = {
        "good": {"title": f"{name} ({year}) Official Trailer", "channel": "Studio", "width": 192, "height": 108},
        "copy": {"title": f"{name} ({year}) Trailer", "width": 256, "height": 144},
        "padded": {"title": f"{name} Trailer HD", "width": 192, "height": 144},
        "narrow": {"title": f"{name} Trailer #shorts", "width": 90, "height": 160},
        "wrong": {"title": f"Another Film ({year}) Official Trailer", "width": 192, "height": 108},
    }
    if n in FIRST:  # another video than the trailer gets the title with the best score
        first = videos[FIRST[n]]
        videos["good"], videos[FIRST[n]] = {**videos["good"], "title": f"{name} clip"}, {**first, **videos["good"]}
    return [{"id": f"{kind}{n}", "duration": SECONDS, "upload_date": f"{year}0510", **videos[kind]} for kind in KINDS]


def make_pages(folder: Path, *, stuck: Sequence[str]) -> dict[str, Page | list[Page]]:
    """All pages of the site; the first request of a path in ``stuck`` is never answered."""
    pages: dict[str, Page | list[Page]] = {}
    for n in range(OFFERED):
        entries = entries_of(n)
        pages[f"/search/Movie_{n}_{year_of(n)}_trailer"] = Page(json.dumps(entries).encode(), kind="application/json")
        for entry in entries:
            pages[f"/watch/{entry['id']}"] = Page(json.dumps(entry).encode(), kind="application/json")
            pages[f"/{entry['id']}.mp4"] = Page((folder / f"{entry['id']}.mp4").read_bytes())
    for path in stuck:
        page = pages[path]
        assert isinstance(page, Page)
        pages[path] = [Page(silent_s=NEVER), page]
    return pages


def add_plugin(folder: Path, server: Server) -> None:
    """Add the site to yt-dlp; ``folder`` is XDG_CONFIG_HOME."""
    plugins = folder / "yt-dlp" / "plugins" / "movies" / "yt_dlp_plugins" / "extractor"
    plugins.mkdir(parents=True)
    (plugins / "movies.py").write_text(PLUGIN.replace("ADDRESS", server.link("")))
