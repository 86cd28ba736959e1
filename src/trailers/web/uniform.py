"""Many trailers that end the same way: then the cause is hardly the trailers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from trailers.errors import SystemicError
from trailers.store.ledger import DEAD, FAILED, SKIPPED, LedgerRow
from trailers.web.reasons import CLIENT, LinkError

IN_A_ROW = 5  # links in a row that a site refuses for what we are: going on would only prolong a ban
ALARMING_SHARE = 0.2  # of all trailers that were tried
# A list may name many pages without a video, and many links of a site from which nothing can be had.
NOT_TOLD_BY_SENTENCE = ("network", "incomplete", "not ready", "page", "site")


@dataclass
class Refusals:
    """How many links in a row a host has refused in a way that speaks of the client and not of the video."""

    stage: str
    counts: dict[str, tuple[str, int]] = field(default_factory=dict)  # host -> what it said, how often in a row

    def answered(self, host: str) -> None:
        self.counts.pop(host, None)

    def refused(self, host: str, problem: LinkError) -> None:
        """Count a refusal; what a site says about a video ends the row.

        Raises:
            SystemicError: the host has refused too many links in a row.
        """
        told = kind_of(problem)
        if not told:
            self.answered(host)
            return
        before, count = self.counts.get(host, (told, 0))
        count = count + 1 if before == told else 1
        self.counts[host] = (told, count)
        if count >= IN_A_ROW:
            raise SystemicError(
                f"{host} refused {count} links in a row; the last answer: {problem}",
                where=self.stage,
                remedy="Wait an hour, raise download.sleep_s, set download.cookies, or update yt-dlp if `python -m "
                "trailers doctor` calls it old; then rerun. Finished downloads are kept.",
            ) from problem


def kind_of(problem: LinkError) -> str:
    """What refusals in a row have in common; empty where a refusal says nothing of the client."""
    if problem.reason in CLIENT:
        return "client"
    return "" if problem.dead or problem.reason in NOT_TOLD_BY_SENTENCE else problem.sentence


@dataclass(frozen=True)
class UniformEnd:
    """Trailers of one stage that all ended with the same sentence."""

    status: str  # dead or failed
    reason: str
    sentence: str
    trailers: int
    in_a_row: int  # the longest row of them, in the ledger's order
    tried: int  # trailers in all


def uniform_deaths(rows: Iterable[LedgerRow]) -> list[UniformEnd]:
    """Sentences that ended suspiciously many trailers of the download stage, most frequent first.

    Suspicious are five in a row, or a fifth of all that were tried and at least five: single videos are removed one by
    one, a blocked client or a broken extractor takes all.

    Args:
        rows: of one stage, in the order of the manifest.
    """
    tried = [row for row in rows if row.status != SKIPPED]
    counts: Counter[tuple[str, str, str]] = Counter()
    longest: Counter[tuple[str, str, str]] = Counter()
    before, length = None, 0
    for row in tried:
        key = (row.status, str(row.facts.get("reason", "")), str(row.facts.get("sentence") or row.error))
        length = length + 1 if key == before else 1
        before = key
        if row.status in (DEAD, FAILED):
            counts[key] += 1
            longest[key] = max(longest[key], length)
    return [
        UniformEnd(*key, trailers=count, in_a_row=longest[key], tried=len(tried))
        for key, count in counts.most_common()
        if longest[key] >= IN_A_ROW or (count >= IN_A_ROW and count >= ALARMING_SHARE * len(tried))
    ]
