"""Review the candidates of every title in a browser, and choose the trailer (Sec. 3, step 4).

in   titles.csv, results/search/{trailer}.json (`snakemake search`); downloaded videos and posters, if any
out  --decisions decisions.csv: one row per decision, written at once

    trailers review                     uncertain titles first, without those that are decided
    trailers review --second-pass 50    the same 50 decided titles for every reviewer, without the first verdicts
    trailers review --agreement         print Cohen's kappa of each pair of reviewers and all disagreements; no page

The page is served on this machine only, at an address with a random token. Several reviewers may share one file at
the same time. `trailers manifest --titles titles.csv --decisions decisions.csv` makes the manifest.
"""

from __future__ import annotations

import argparse
import getpass
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path

from trailers.config import defaults
from trailers.errors import ConfigError, StoreError
from trailers.review import verdicts
from trailers.review.queue import Item, items_by_id, sample
from trailers.review.session import Session, check_who
from trailers.store.candidates import Candidate, read_found
from trailers.store.decisions import Journal
from trailers.store.layout import Layout
from trailers.store.titles import Title, read_titles

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    titles = defaults("search").get("titles", "titles.csv")
    parser.add_argument("--titles", type=Path, default=Path(titles), metavar="CSV", help=f"the titles ({titles})")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--decisions",
        type=Path,
        default=Path("decisions.csv"),
        metavar="CSV",
        help="decisions are appended to it (%(default)s)",
    )
    parser.add_argument("--as", dest="who", metavar="NAME", help="the reviewer (default: the user of this machine)")
    parser.add_argument("--second-pass", type=int, metavar="N", help="review a sample of N decided titles again")
    parser.add_argument("--agreement", action="store_true", help="print how far reviewers agree, and exit")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")


def run(arguments: argparse.Namespace) -> None:
    journal = Journal(arguments.decisions)
    if arguments.agreement:
        for line in agreement_lines(verdicts.verdicts(journal.refresh())):
            print(line)
        return
    check_extra()
    titles = read_titles(arguments.titles)
    log.info("review: reading the candidates of %s titles", f"{len(titles):,}")
    items = items_by_id(titles, found_candidates(Layout(arguments.results), titles))
    review = 1 if arguments.second_pass is None else 2
    if review == 2:
        items = second_pass(items, verdicts.verdicts(journal.refresh()), arguments.second_pass)
    journal.refresh()  # a damaged file is reported before the page is opened
    who = check_who(arguments.who or getpass.getuser())
    session = Session(items, journal, who, review, Layout(arguments.results), arguments.titles.parent)
    from trailers.review.server import serve

    serve(session, port=arguments.port, opens=not arguments.no_open)


def check_extra() -> None:
    """Raises ConfigError if the packages that serve the page are not installed."""
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"needs the package {missing[0]}, which is not installed", where="review",
            remedy='Install it: pip install "trailers[review]".',
        )  # fmt: skip


def found_candidates(layout: Layout, titles: list[Title]) -> dict[str, tuple[Candidate, ...]]:
    """Id -> candidates, of the titles that have been searched for.

    Raises:
        StoreError: no title has been searched for.
    """
    found = {}
    problems = []
    for title in titles:
        try:
            found[title.id] = read_found(layout.candidates(title.id)).candidates
        except StoreError as problem:
            problems.append(problem)
    if not found:
        raise problems[0]
    return found


def second_pass(items: dict[str, Item], found: verdicts.Verdicts, count: int) -> dict[str, Item]:
    """The sample that is reviewed again. Raises ConfigError if nothing is decided yet."""
    first = {rater: own for rater, own in found.items() if rater[1] == 1}
    known = verdicts.decided(first) & set(items)
    if not known or count < 1:
        raise ConfigError(
            f"{len(known)} titles are decided, but {count} are requested", where="--second-pass",
            remedy="Review titles first, or ask for a smaller sample.",
        )  # fmt: skip
    return {title: items[title] for title in sample(known, count)}


def agreement_lines(found: verdicts.Verdicts) -> Iterator[str]:
    """The lines that `--agreement` prints."""
    yield f"{len(verdicts.decided(found)):,} titles are decided by {len(found)} reviewers"
    for pair in verdicts.agreements(found):
        kappa = "not defined" if pair.kappa is None else f"{pair.kappa:.3f}"
        yield (
            f"{name_of(pair.one)} and {name_of(pair.other)}: {pair.same:,} of {pair.titles:,} titles the same, "
            f"Cohen's kappa {kappa}"
        )
    for title in verdicts.disagreements(found):
        opinions = verdicts.opinions(found, title)
        words = "; ".join(f"{name_of(rater)} {v.action} {v.url}".rstrip() for rater, v in sorted(opinions.items()))
        yield f"{title}: {words}" + (
            "" if verdicts.majority_verdict(found, title) is None else " (decided by the majority)"
        )


def name_of(rater: verdicts.Rater) -> str:
    return rater[0] if rater[1] == 1 else f"{rater[0]} (second pass)"
