"""The list of all trailers as columns of short values: 12,000 rows in one file that a phone can load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trailers.domain import GENRES, SUBSETS, Trailer
from trailers.reporting.browse.outcomes import Rows, facts_at, first_key, flags_of, has_page, outcome
from trailers.reporting.browse.predicted import Experiment, worst_error

ABSENT = -1  # in a column of numbers: nothing is known
LONGEST_TITLE = 200  # letters; longer titles are cut


@dataclass
class Names:
    """Numbers for the words of a column, in order of first occurrence."""

    words: dict[str, int] = field(default_factory=dict)

    def number(self, word: str) -> int:
        return self.words.setdefault(word, len(self.words))

    def mask(self, words: Sequence[str]) -> int:
        return sum(1 << self.number(word) for word in dict.fromkeys(words))


def make_listing(
    trailers: Sequence[Trailer], rows: Rows, experiments: Sequence[Experiment], genres: Sequence[str] = GENRES
) -> dict[str, Any]:
    """The data of the page of all trailers.

    ``splits`` has a letter per split: 0, 1, 2 for the subsets, - without a subset. ``genres`` and ``flags`` are sums of
    powers of two. ``told`` maps the number of every trailer that did not pass to a sentence.
    """
    statuses, reasons, flags = Names(), Names(), Names()
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    sentences: dict[str, str] = {}
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
            sentences[str(number)] = f"{result.stage}: {result.sentence}"
    return {
        "genres": list(genres),
        "subsets": SUBSETS,
        "statuses": list(statuses.words),
        "reasons": list(reasons.words),
        "flags": list(flags.words),
        "columns": columns,
        "told": sentences,
        "experiments": [experiment_errors(experiment, trailers) for experiment in experiments],
    }


COLUMNS = ("trailer", "title", "genres", "splits", "status", "reason", "flags", "frames", "shots", "clips", "page")


def facts_of(trailer: str, rows: Rows) -> list[tuple[Mapping[str, Any], str]]:
    """The facts that have the numbers of frames, shots and clips, and the key of each."""
    of_clips = facts_at(first_key("clips", rows), trailer, rows)
    return [
        (facts_at(("normalise",), trailer, rows), "frames"),
        (facts_at(("shots",), trailer, rows), "shots"),
        (of_clips, "clips"),
    ]


def experiment_errors(experiment: Experiment, trailers: Sequence[Trailer]) -> dict[str, Any]:
    """The largest error of an experiment on each trailer that it was not trained on, in thousandths, and its genre."""
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
