"""Numbers of a set of trailers: those of Table 1 and Sec. 3, and those behind Figures 2, 3 and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trailers.domain import FPS, GENRES, SUBSETS, Trailer
from trailers.store.metadata import Metadata
from trailers.web.links import web_link

TOP = 15  # number of countries and languages that Fig. 4 shows
BIN_S = 10  # seconds per bar of Fig. 4d
# The numbers of Trailers12k in the paper (Table 1, Sec. 3).
PUBLISHED = {
    "trailers": "12,000",
    "checked by a person": "all",
    "genres": "10",
    "genres per trailer (cardinality)": "2.5",
    "share of the genres per trailer (density)": "0.25",
    "links to trailers": "yes",
    "vectors of images (2D backbones)": "yes",
    "vectors of clips (3D backbones)": "yes",
    "posters": "12,000",
    "years, countries or languages": "yes",
    "countries": "128",
    "languages": "200",
    "years": "",
    "hours at 24 fps": "407.61",
    "frames at 24 fps": "35,217,616",
    "shortest and longest (s)": "30 to 210",
    "shorter than 150 s": "87.9 %",
}


def genre_counts(trailers: Sequence[Trailer], genres: Sequence[str] = GENRES) -> dict[str, Any]:
    """Trailers, and trailers per genre, of the whole set and of split 0's subsets."""
    sets = {"whole set": list(trailers)}
    sets |= {name: [t for t in trailers if t.splits[0] == code] for code, name in enumerate(SUBSETS)}
    return {
        name: {
            "trailers": len(members),
            "positives": {genre: sum(genre in t.genres for t in members) for genre in genres},
        }
        for name, members in sets.items()
    }


def label_counts(trailers: Sequence[Trailer], genres: Sequence[str] = GENRES) -> dict[str, Any]:
    """Trailers by number of genres, and trailers that have both of two genres.

    ``cardinality`` is the mean number of genres per trailer, ``density`` its share of all genres (Sec. 3.1).
    """
    numbers = Counter(len(trailer.genres) for trailer in trailers)
    has = np.array([[genre in trailer.genres for genre in genres] for trailer in trailers], int)
    has = has.reshape(-1, len(genres))
    cardinality = float(has.sum(axis=1).mean()) if len(has) else 0.0
    return {
        "trailers": {str(number): numbers[number] for number in sorted(numbers)},
        "cardinality": cardinality,
        "density": cardinality / len(genres),
        "together": (has.T @ has).tolist(),
    }


def title_counts(titles: Iterable[Metadata], frames: Sequence[int]) -> dict[str, Any]:
    """The numbers of Fig. 4.

    A title with several countries counts for each of them; shares refer to the titles whose countries are known.

    Args:
        titles: metadata of the trailers.
        frames: number of frames at 24 fps of each trailer with a video.
    """
    known = list(titles)
    years = Counter(title.year for title in known if title.year)
    seconds = np.asarray(frames, np.float64) / FPS
    bins = Counter((seconds // BIN_S).astype(int).tolist())
    return {
        "countries": name_counts([title.countries for title in known]),
        "languages": name_counts([title.languages for title in known]),
        "years": {str(year): years[year] for year in sorted(years)},
        "durations": {
            "trailers": len(frames),
            "frames": int(sum(frames)),
            "bins_s": {str(BIN_S * number): bins[number] for number in sorted(bins)},
            "range_s": [float(seconds.min()), float(seconds.max())] if len(frames) else None,
            "shorter_than_150_s": int((seconds < 150).sum()),
        },
    }


def name_counts(names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Titles per name, most frequent first, and how many titles have one of the first ``TOP``."""
    known = [own for own in names if own]
    counts = Counter(name for own in known for name in own)
    first = sorted(counts, key=lambda name: (-counts[name], name))[:TOP]
    return {
        "titles": len(known),
        "names": len(counts),
        "first": {name: counts[name] for name in first},
        "titles_of_first": sum(not set(own).isdisjoint(first) for own in known),
    }


def overview(
    trailers: Sequence[Trailer], titles: Mapping[str, Metadata], counts: Mapping[str, Any], dimensions: Iterable[int],
    genres: Sequence[str] = GENRES,
) -> list[tuple[str, str, str]]:  # fmt: skip
    """The row of Table 1 and the numbers of Sec. 3: name, this set's value, Trailers12k's value.

    Args:
        counts: from ``title_counts``.
        dimensions: 2 or 3 for each backbone that has vectors.
        genres: those of the data set.
    """
    labelled = [trailer for trailer in trailers if trailer.genres]
    labels, made = label_counts(labelled, genres), set(dimensions)
    named = {genre for trailer in labelled for genre in trailer.genres}
    links = sum(any(web_link(url) for url in trailer.urls) for trailer in trailers)
    own = {
        "trailers": f"{len(trailers):,}",
        "checked by a person": f"{sum(trailer.verified for trailer in trailers):,}",
        "genres": str(len(named)),
        "genres per trailer (cardinality)": f"{labels['cardinality']:.2f}" if labelled else "",
        "share of the genres per trailer (density)": f"{labels['density']:.3f}" if labelled else "",
        "links to trailers": f"{links:,}" if links else "no",
        "vectors of images (2D backbones)": "yes" if 2 in made else "no",
        "vectors of clips (3D backbones)": "yes" if 3 in made else "no",
        "posters": f"{sum(bool(trailer.poster) for trailer in trailers):,}",
        "years, countries or languages": f"{sum(titles.get(t.trailer, Metadata()) != Metadata() for t in trailers):,}",
        **described(counts),
    }
    return [(name, own.get(name, ""), published) for name, published in PUBLISHED.items()]


def described(counts: Mapping[str, Any]) -> dict[str, str]:
    """The rows that follow from ``title_counts``."""
    durations, years = counts["durations"], list(counts["years"])
    known = {name: str(counts[name]["names"] or "") for name in ("countries", "languages")}
    known["years"] = f"{years[0]} to {years[-1]}" if years else ""
    if durations["trailers"]:
        shortest, longest = durations["range_s"]
        known |= {
            "hours at 24 fps": f"{durations['frames'] / FPS / 3600:,.2f}",
            "frames at 24 fps": f"{durations['frames']:,}",
            "shortest and longest (s)": f"{shortest:.0f} to {longest:.0f}",
            "shorter than 150 s": f"{100 * durations['shorter_than_150_s'] / durations['trailers']:.1f} %",
        }
    return known
