"""The list of all trailers as columns of short values: 12,000 rows in one file that a telephone loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trailers.domain import GENRES, SUBSETS, Trailer
from trailers.reporting.browse.outcomes import Rows, facts_at, first_key, flags_of, has_page, outcome
from trailers.reporting.browse.predicted import Experiment, worst_error

ABSENT = -1  # in a column of numbers: nothing is known
LONGEST_TITLE = 200  # letters; what is longer is not a title


@dataclass
class Names:
    """Words that stand in a column as numbers, in the order in which they were met."""

    words: dict[str, int] = field(default_factory=dict)

    def number(self, word: str) -> int:
        return self.words.setdefault(word, len(self.words))

    def mask(self, words: Sequence[str]) -> int:
        return sum(1 << self.number(word) for word in dict.fromkeys(words))


def make_listing(
    trailers: Sequence[Trailer], rows: Rows, experiments: Sequence[Experiment], genres: Sequence[str] = GENRES
) -> dict[str, Any]:
    """What the page of all trailers shows.

    ``splits`` has a letter per split: 0, 1, 2 for the subsets, - for none. ``genres`` and ``flags`` are sums of
    powers of two. ``told`` has a sentence for every trailer that did not pass, by its number.
    """
    statuses, reasons, flags = Names(), Names(), Names()
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    told: dict[str, str] = {}
    for number, trailer in enumerate(trailers):
        result = outcome(trailer.trailer, rows)
        values = (
            trailer.trailer,
            trailer.title[:LONGEST_TITLE],
            sum(1 << genres.index(genre) for genre in trailer.genres),
            "".join("-" if code is None else str(code) for code in trailer.splits),
            statuses.number(result.status),
            reasons.number(result.reason) if result.reason else ABSENT,
            flags.mask(list(flags_of(trailer.trailer, rows))),
            *(facts.get(name, ABSENT) for facts, name in facts_of(trailer.trailer, rows)),
            int(has_page(trailer.trailer, rows)),
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        if result.sentence:
            told[str(number)] = f"{result.stage}: {result.sentence}"
    return {
        "genres": list(genres),
        "subsets": SUBSETS,
        "statuses": list(statuses.words),
        "reasons": list(reasons.words),
        "flags": list(flags.words),
        "columns": columns,
        "told": told,
        "experiments": [experiment_errors(experiment, trailers) for experiment in experiments],
    }


COLUMNS = ("trailer", "title", "genres", "splits", "status", "reason", "flags", "frames", "shots", "clips", "page")


def facts_of(trailer: str, rows: Rows) -> list[tuple[Mapping[str, Any], str]]:
    """Where the numbers of frames, shots and clips stand."""
    of_clips = facts_at(first_key("clips", rows), trailer, rows)
    return [
        (facts_at(("normalise",), trailer, rows), "frames"),
        (facts_at(("shots",), trailer, rows), "shots"),
        (of_clips, "clips"),
    ]


def experiment_errors(experiment: Experiment, trailers: Sequence[Trailer]) -> dict[str, Any]:
    """How wrong an experiment is about each trailer that it did not learn from, in thousandths, and in which genre."""
    errors, worst = [], []
    for trailer in trailers:
        split, _ = experiment.split_for(trailer)
        probabilities = experiment.predictions[split].get(trailer.trailer)
        if probabilities is None:
            errors.append(ABSENT)
            worst.append(ABSENT)
            continue
        error, genre = worst_error(probabilities, trailer.genres, experiment.genres)
        errors.append(round(1000 * error))
        worst.append(genre)
    return {"name": experiment.name, "errors": errors, "worst": worst}
