"""Many failures with the same message are reported, because the trailers are probably not the cause."""

from __future__ import annotations

import pytest

from trailers.errors import SystemicError
from trailers.store.ledger import LedgerRow
from trailers.web.reasons import LinkError
from trailers.web.uniform import Refusals, UniformEnd, uniform_deaths


def rows(*ends: str) -> list[LedgerRow]:
    """One row for each argument: ok, skipped, or the sentence of a dead trailer."""
    made = []
    for number, end in enumerate(ends):
        if end in ("ok", "skipped"):
            made.append(LedgerRow(f"t{number}", end))
        else:
            facts = {"reason": "not found", "sentence": end}
            made.append(LedgerRow(f"t{number}", "dead", facts=facts, error=f"download: not found: t{number}: {end}"))
    return made


GONE, REMOVED = "Video unavailable", "Removed by the uploader"


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["ok"] * 50, []),
        ([GONE] * 4, []),
        ([GONE] * 5, [UniformEnd("dead", "not found", GONE, 5, 5, 5)]),
        (["ok"] * 95 + [GONE] * 5, [UniformEnd("dead", "not found", GONE, 5, 5, 100)]),
        ((["ok"] * 19 + [GONE]) * 5, []),  # one in twenty, not in a row
        (["ok", GONE] * 5, [UniformEnd("dead", "not found", GONE, 5, 1, 10)]),
        ([GONE, REMOVED] * 3 + ["ok"] * 4, []),
        ([GONE, "skipped"] * 5, [UniformEnd("dead", "not found", GONE, 5, 5, 5)]),
    ],
)
def test_sudden_uniform_deaths_are_found(ends, expected):
    assert uniform_deaths(rows(*ends)) == expected


def test_rows_of_earlier_versions_are_compared_by_their_error():
    old = [LedgerRow(f"t{n}", "dead", facts={"reason": "private"}, error="download: private: 401") for n in range(5)]
    assert uniform_deaths(old) == [UniformEnd("dead", "private", "download: private: 401", 5, 5, 5)]


def refusals(*problems: LinkError) -> int:
    """Number of problems of one host after which the run stops; 0 if it does not stop."""
    found = Refusals("download")
    for number, problem in enumerate(problems, start=1):
        try:
            found.refused("host", problem)
        except SystemicError:
            return number
    return 0


CLIENT = LinkError("client", "[site] a: Please sign in", sentence="Please sign in")


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        ([CLIENT] * 9, 5),
        ([CLIENT, LinkError("bot check", "not a bot")] * 4, 5),
        ([LinkError("no format", "storyboards")] * 9, 5),
        ([LinkError("other", f"[site] {n}: odd", sentence="odd") for n in range(9)], 5),
        ([LinkError("other", f"[site] {n}: odd") for n in range(9)], 0),
        ([LinkError("network", "cut")] * 9, 0),
        ([LinkError("part refused", "https://host/1.ts: HTTP Error 404", sentence="HTTP Error 404")] * 9, 5),
        ([LinkError("removed", "removed")] * 9, 0),
        ([*[CLIENT] * 4, LinkError("removed", "removed"), *[CLIENT] * 4], 0),
    ],
)
def test_many_refusals_of_one_host_stop_the_run(problems, expected):
    assert refusals(*problems) == expected


def test_hosts_are_counted_apart():
    found = Refusals("download")
    for _ in range(4):
        found.refused("a", CLIENT)
        found.refused("b", CLIENT)
    found.answered("a")
    found.refused("a", CLIENT)
    with pytest.raises(SystemicError, match="b refused 5 links in a row"):
        found.refused("b", CLIENT)
