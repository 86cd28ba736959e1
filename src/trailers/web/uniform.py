"""Finds reasons that many trailers share, because then the trailers are probably not the cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from trailers.errors import SystemicError
from trailers.store.ledger import DEAD, FAILED, SKIPPED, LedgerRow
from trailers.web.reasons import CLIENT, LinkError

IN_A_ROW = 5  # links in a row that a site refuses because of the client; more requests would only prolong a ban
ALARMING_SHARE = 0.2  # of all trailers that were tried
# Reasons that are not counted: many pages without a video, or many links of one unsupported site, are plausible.
NOT_COUNTED = ("network", "incomplete", "not ready", "page", "site")


@dataclass
class Refusals:
    """Counts, per host, the links in a row that were refused because of the client and not of the video."""

    stage: str
    counts: dict[str, tuple[str, int]] = field(default_factory=dict)  # host -> (kind of refusal, number in a row)

    def answered(self, host: str) -> None:
        self.counts.pop(host, None)

    def refused(self, host: str, problem: LinkError) -> None:
        """Count a refusal; an answer about the video itself resets the count.

        Raises:
            SystemicError: the host has refused too many links in a row.
        """
        kind = kind_of(problem)
        if not kind:
            self.answered(host)
            return
        before, count = self.counts.get(host, (kind, 0))
        count = count + 1 if before == kind else 1
        self.counts[host] = (kind, count)
        if count >= IN_A_ROW:
            raise SystemicError(
                f"{host} refused {count} links in a row; the last answer: {problem}",
                where=self.stage,
                remedy="Wait an hour, raise download.sleep_s, set download.cookies, or update yt-dlp if `python -m "
                "trailers doctor` calls it old; then rerun. Finished downloads are kept.",
            ) from problem


def kind_of(problem: LinkError) -> str:
    """The kind of a refusal, equal for refusals that are counted together; "" if the client is not its cause."""
    if problem.reason in CLIENT:
        return "client"
    return "" if problem.dead or problem.reason in NOT_COUNTED else problem.sentence


@dataclass(frozen=True)
class UniformEnd:
    """Trailers of one stage that all ended with the same sentence."""

    status: str  # dead or failed
    reason: str
    sentence: str
    trailers: int
    in_a_row: int  # largest number of them in a row, in the order of the ledger
    tried: int  # number of all trailers that were tried


def uniform_deaths(rows: Iterable[LedgerRow]) -> list[UniformEnd]:
    """Sentences that are the outcome of suspiciously many trailers of a stage, the most frequent first.

    Five in a row are suspicious, or a fifth of all trailers that were tried, if that is five or more: videos are
    removed one by one, but a blocked client or a broken extractor affects all of them.

    Args:
        rows: the rows of one stage, in the order of the manifest.
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
