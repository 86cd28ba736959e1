"""All steps of docs/dataset.md on an invented site: titles, search, quality, review by keys, manifest, report.

Every step is killed once in the middle of its work, and continues where it stopped.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import title_site
import workflow_lab as lab
from server import Server
from trailers.__main__ import main
from trailers.store.duplicates import Duplicate, read_rows
from trailers.store.ledger import read_ledger
from trailers.store.manifest import read_manifest
from web_lab import until

for package in ("rapidfuzz", "starlette", "uvicorn"):
    pytest.importorskip(package, reason="the extras search and review are not installed")

CONFIG = """
search: {site: moviesearch, shortest_s: 4}
download: {sleep_s: 0, backoff_s: 0.01, min_duration_s: 4, min_height: 100}
quality: {min_shots: 3}
classify: {epochs: 2}
metadata: titles.csv
check_disk: false
"""
PATIENCE_S = 300  # on a slow machine
SIXTH_SEARCH = f"/search/Movie_5_{title_site.year_of(5)}_trailer"
SIXTH_VIDEO = "/wrong5.mp4"


class Study:
    """A folder, the environment of its commands, and the site."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder / "study", server
        self.folder.mkdir()
        without_proxy = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.env = {**without_proxy, "PATH": lab.environment()["PATH"], "XDG_CONFIG_HOME": str(folder / "config")}
        title_site.add_plugin(folder / "config", server)

    def start(self, command: list[str], **options) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            text=True,
            **options,
        )

    def killed(self, *target: str, when: Callable[[], object]) -> None:
        """Run Snakemake until ``when`` is true, then kill it with all its jobs."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        job = self.start(lab.command(self.folder, "--cores", "2", *target), **quiet)
        until(when, PATIENCE_S)
        assert job.poll() is None
        kill(job)
        lab.snakemake(self.folder, "--unlock", env=self.env)

    def run(self, *target: str) -> None:
        lab.snakemake(self.folder, *target, env=self.env)


def kill(job: subprocess.Popen) -> None:
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


@pytest.fixture
def study(tmp_path, monkeypatch):
    videos = tmp_path / "videos"
    videos.mkdir()
    title_site.make_videos(videos)
    with Server(title_site.make_pages(videos, stuck=(SIXTH_SEARCH, SIXTH_VIDEO))) as server:
        study = Study(tmp_path, server)
        monkeypatch.chdir(study.folder)
        yield study


class Desk:
    """`trailers review` in a separate process, and a browser that shows its page."""

    def __init__(self, study: Study, browser) -> None:
        words = [sys.executable, "-m", "trailers", "review", "--as", "ann", "--no-open"]
        self.job = study.start(words, stdout=subprocess.PIPE)
        link = re.search(r"http://\S+", self.job.stdout.readline())
        self.page = browser.new_page()
        self.page.goto(link[0])
        self.page.wait_for_selector("main[aria-busy=false]")

    def title(self) -> str:
        return self.page.inner_text("#name") if self.page.is_visible("#name") else ""

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        until(lambda: self.page.evaluate("!state.busy"))

    def kill(self) -> None:
        kill(self.job)
        self.page.close()


def decide(desk: Desk) -> None:
    """Decide the shown title as a person does: accept its trailer, or reject it if the site has no trailer."""
    number = int(re.search(r"Movie (\d+)", desk.title())[1])
    if number == 11:
        desk.press("r")
        return
    if title_site.FIRST.get(number) == "padded":
        assert "black" in desk.page.inner_text("#measured")
        assert "letterbox" in desk.page.inner_text("#measured")
        desk.press("5")  # padding
    wanted = f"Movie {number} clip" if number in title_site.FIRST else f"Movie {number} ({title_site.year_of(number)})"
    for _ in title_site.KINDS:
        if desk.page.inner_text("#candidate").startswith(wanted):
            break
        desk.press("n")
    desk.press("a")


def review_with_a_kill(study, browser):
    """Decide all twelve titles; the program is killed after five, of which none is lost."""
    desk = Desk(study, browser)
    for _ in range(5):
        decide(desk)
    desk.kill()
    kept = (study.folder / "decisions.csv").read_text()
    assert kept.count(",accept,") + kept.count(",reject,") == 5
    desk = Desk(study, browser)
    assert (study.folder / "decisions.csv").read_text() == kept
    for _ in range(7):
        decide(desk)
    assert desk.page.is_visible("#done")
    desk.kill()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_titles_become_a_report_with_figure_4_and_no_kill_loses_anything(study, browser):
    folder, server = study.folder, study.server
    title_site.write_imdb(folder)
    assert main(["titles", "--imdb", ".", "--min-votes", "100", "--most", "12"]) == 0
    (folder / "config.yaml").write_text(CONFIG)

    study.killed("search", when=lambda: server.requests_for(SIXTH_SEARCH))
    found = {path: path.read_bytes() for path in folder.glob("results/search/*.json")}
    assert len(found) == 5
    study.run("search")
    assert {path: path.read_bytes() for path in found} == found
    assert len(server.requests_for(f"/search/Movie_0_{title_site.year_of(0)}_trailer")) == 1
    assert len((folder / "results" / "candidates.csv").read_text().splitlines()) == 1 + 60

    assert main(["manifest", "--titles", "titles.csv"]) == 0
    study.killed("quality", when=lambda: server.requests_for(SIXTH_VIDEO))
    assert len(list(folder.glob("results/download/*.json"))) >= 5
    study.run("quality")
    assert [len(server.requests_for(f"/good{n}.mp4")) for n in (0, 1, 2)] == [
        len(server.requests_for("/good0.mp4"))
    ] * 3
    (ledger,) = folder.glob("results/ledger/quality/*.tsv")
    flags = {trailer: set(row.facts["flags"]) for trailer, row in read_ledger(ledger).items()}
    assert {trailer: own for trailer, own in flags.items() if own} == {
        title_site.id_of(3): {"black", "letterbox"},
        title_site.id_of(7): {"vertical"},
    }
    copies = read_rows(folder / "results" / "quality" / "duplicates.csv", Duplicate)
    assert [(row.trailer, row.copy_of) for row in copies] == [(title_site.id_of(9), title_site.id_of(8))]

    review_with_a_kill(study, browser)

    assert main(["manifest", "--titles", "titles.csv", "--decisions", "decisions.csv", "--force"]) == 0
    trailers = read_manifest(folder / "manifest.csv")
    assert [trailer.trailer for trailer in trailers] == [title_site.id_of(n) for n in range(11)]
    assert all(trailer.verified for trailer in trailers)
    assert [trailer.urls for trailer in trailers] == [(server.link(f"/watch/good{n}"),) for n in range(11)]
    study.run("quality", "all")
    report = (folder / "results" / "report" / "index.html").read_text()
    assert "Countries, languages, years of release and durations" in report
    assert "<td>checked by a person</td>" in report
    assert not read_rows(folder / "results" / "quality" / "duplicates.csv", Duplicate)
