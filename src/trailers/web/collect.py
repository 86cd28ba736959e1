"""Makes the receipt of a trailer: from the first of its links that can be downloaded, or why none can.

Results of earlier runs are used even if settings have changed: downloaded bytes and dead links are recorded in the
receipt and not requested again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trailers.domain import Trailer
from trailers.errors import StoreError
from trailers.store.atomic import make_folder
from trailers.store.fingerprint import sha256_of
from trailers.store.ledger import DEAD, OK, LedgerRow
from trailers.store.lock import hold
from trailers.store.receipt import Receipt, read_receipt, write_receipt
from trailers.web.client import Client
from trailers.web.download_folder import DownloadFolder, kept_file
from trailers.web.links import completed, known_link, web_link
from trailers.web.local import check_unchanged, find_local, has_changed, is_same_file, reference_to, version_of
from trailers.web.patience import REFERENCE
from trailers.web.reasons import QUALITY, REASONS, LinkError
from trailers.web.uniform import Refusals

log = logging.getLogger(__name__)

REFUSAL_KEYS = ("reason", "words", "sentence")
SHOWN_IF_KNOWN = ("promised_s", "parts")  # facts that not every receipt has


@dataclass(frozen=True)
class Obtained:
    """A file of the right kind: ``path`` is where it is now, ``facts`` what is known about it."""

    path: Path
    sha256: str
    facts: Mapping[str, Any]
    is_local: bool = False


@dataclass(frozen=True)
class Kind:
    """What is downloaded: videos or posters."""

    stage: str
    folder: Path
    suffixes: Sequence[str]
    refusal: str  # the reason if a file is of another kind
    urls: Callable[[Trailer], tuple[str, ...]]
    fingerprint: Callable[[Sequence[str]], str]  # the fingerprint from the links
    inspect: Callable[[Path], dict[str, Any]]  # facts about a file; raises LinkError if it is of another kind
    shortcomings: Callable[[Mapping[str, Any]], dict[str, str]]  # reason -> sentence for every limit that is not met
    accept: Callable[[float], None]  # raises LinkError if a site states an unacceptable duration in s
    enforce: bool  # whether shortcomings exclude a trailer
    facts: tuple[str, ...]  # names of facts that the ledger has too
    asked: Mapping[str, Any]  # settings that decide which bytes a link gives; they are part of the receipt's facts


@dataclass
class Collection:
    """Decides for a download stage whether trailers are up to date, and downloads them."""

    kind: Kind
    trailers: Mapping[str, Trailer]
    base: Path  # local paths are relative to it
    client: Client
    root: Path  # of the results
    retry_dead: bool = False

    @functools.cached_property
    def refusals(self) -> Refusals:
        return Refusals(self.kind.stage)

    def urls(self, trailer: str) -> tuple[str, ...]:
        return tuple(completed(url) for url in self.kind.urls(self.trailers[trailer]))

    @functools.cached_property
    def downloads(self) -> DownloadFolder:
        return DownloadFolder(self.kind.folder, self.kind.suffixes)

    def existing(self, trailer: str) -> LedgerRow | None:
        path = self.downloads.receipt_path(trailer)
        if not path.exists():
            return None
        receipt = read_receipt(path)
        if receipt.fingerprint != self.kind.fingerprint(self.urls(trailer)):
            return None
        try:
            if receipt.status == DEAD:
                again = self.retry_dead or self.any_appeared(receipt) or has_changed(self.base, receipt.facts)
            else:
                again = not self.is_current(receipt)
            return None if again else self.row(receipt)
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{path}: its field `facts` is damaged. Rerun the stage.") from None

    def make(self, trailer: str) -> LedgerRow:
        folder = self.downloads.partial_folder(trailer)
        make_folder(folder, below=self.kind.folder)
        with hold(folder):
            self.downloads.remove_links(trailer)
            try:
                row = self.existing(trailer)  # another job may have downloaded it meanwhile
                known = {} if row is not None else self.remembered(trailer)
            except (StoreError, KeyError, TypeError, ValueError):  # a damaged receipt, which was reported before
                row, known = None, {}
            if row is not None:
                return row
            receipt = self.obtain(trailer, known, folder)
            # The receipt is written last: if this is killed, the old receipt names a missing file, which is noticed.
            self.downloads.tidy(trailer, self.downloads.named(trailer) - {receipt.file, kept_file(receipt)})
            write_receipt(self.downloads.receipt_path(trailer), receipt)
        return self.row(receipt)

    def is_current(self, receipt: Receipt) -> bool:
        """Whether the file of an ok receipt exists, is not outdated, and is a copy or reference as configured."""
        if not self.downloads.has_bytes(receipt) or has_changed(self.base, receipt.facts):
            return False
        if receipt.reference:
            return self.is_by_reference
        return not is_same_file(self.base, receipt.facts, self.kind.folder / receipt.file)

    @property
    def is_by_reference(self) -> bool:
        return self.client.effort.local_files == REFERENCE

    def obtain(self, trailer: str, remembered: Mapping[str, Obtained | LinkError], folder: Path) -> Receipt:
        """The receipt from the first of the trailer's links that can be downloaded, or of a dead trailer.

        Raises:
            LinkError: a link failed temporarily, so that a later run may succeed.
        """
        refused: list[tuple[str, LinkError, Obtained | None]] = []
        urls = self.urls(trailer)
        for url in urls:
            got = None
            try:
                got = self.get(url, remembered, folder)
                found = self.kind.shortcomings(got.facts)
                refuse(found if self.kind.enforce else {})
            except LinkError as problem:
                refused.append((url, problem, got))
                if len(urls) > 1:
                    log.info("%s: %s: %s: %s", self.kind.stage, trailer, url, problem)
                continue
            facts = {"quality": list(found), "refused": self.records_of(refused)}
            return self.receipt(trailer, url, got, {**got.facts, **facts})
        temporary = [problem for _, problem, _ in refused if not problem.dead]
        if temporary:
            raise temporary[0]
        return self.receipt_of_dead(trailer, refused)

    def receipt(self, trailer: str, url: str, got: Obtained, facts: Mapping[str, Any]) -> Receipt:
        fingerprint = self.kind.fingerprint(self.urls(trailer))
        facts = {**facts, "url": url}  # a video that is kept may have been downloaded by another form of the link
        if got.is_local:
            check_unchanged(self.base, facts)
        if got.is_local and self.is_by_reference:
            reference = reference_to(self.base, url, self.kind.folder)
            return Receipt(trailer, OK, "", got.sha256, fingerprint, facts, reference=reference)
        file = self.downloads.place(trailer, got.path, is_local=got.is_local)
        if got.is_local:
            # The copy is made after the digest; both are of the same bytes only if the file did not change.
            try:
                check_unchanged(self.base, facts)
            except LinkError:
                self.downloads.tidy(trailer, {file})
                raise
        return Receipt(trailer, OK, file, got.sha256, fingerprint, facts)

    def receipt_of_dead(self, trailer: str, refused: Sequence[tuple[str, LinkError, Obtained | None]]) -> Receipt:
        """The receipt of a dead trailer. A file that only exceeds the limits is kept, in case the limits change."""
        facts: dict[str, Any] = {"refused": self.records_of(refused)}
        kept = next((got for _, _, got in refused if got is not None and not got.is_local), None)
        if kept is not None:
            file = self.downloads.place(trailer, kept.path, is_local=False)
            facts["kept"] = {**kept.facts, "file": file, "sha256": kept.sha256}
        facts["reason"], facts["sentence"] = refused[0][1].reason, refused[0][1].sentence
        error = "; ".join(str(problem) for _, problem, _ in refused)
        return Receipt(trailer, DEAD, "", "", self.kind.fingerprint(self.urls(trailer)), facts, error)

    def records_of(self, refused: Sequence[tuple[str, LinkError, Obtained | None]]) -> list[dict[str, Any]]:
        """The records of refused links for a receipt; for a local file with its version, to notice a replacement."""
        items = []
        for url, problem, _ in refused:
            version = None if web_link(url) else version_of(self.base, url)
            found = {} if version is None else dict(zip(("source_bytes", "source_mtime_ns"), version, strict=True))
            items.append({**as_record(url, problem), **found})
        return items

    def get(self, url: str, remembered: Mapping[str, Obtained | LinkError], folder: Path) -> Obtained:
        link = web_link(url)
        if link is None:
            return self.from_file(url)
        outcome = remembered.get(link)
        if outcome is None:
            outcome = self.over_the_network(url, link, folder)
        if isinstance(outcome, LinkError):
            raise outcome
        return outcome

    def from_file(self, url: str) -> Obtained:
        source, facts = find_local(self.base, url)
        return self.look_at(source, facts, is_local=True)

    def over_the_network(self, url: str, link: str, folder: Path) -> Obtained:
        host = urlsplit(link).hostname or ""
        try:
            fetched = self.client.fetch(link, folder, self.kind.accept)
            try:
                got = self.look_at(fetched.path, {"url": url, **fetched.facts, **self.kind.asked})
            except LinkError as problem:
                found = fetched.verdict(problem, self.kind.refusal.removeprefix("not "))
                fetched.path.unlink()  # otherwise another run would take it for complete
                raise found from None
        except LinkError as problem:
            if problem.reason == "not a video":  # the client uses this reason for posters too
                raise LinkError(self.kind.refusal, problem.words, sentence=problem.sentence) from problem
            self.refusals.refused(host, problem)
            raise
        self.refusals.answered(host)
        return got

    def look_at(self, path: Path, facts: Mapping[str, Any], *, is_local: bool = False) -> Obtained:
        found = {"bytes": path.stat().st_size, **self.kind.inspect(path)}
        return Obtained(path, sha256_of(path), {**facts, **found}, is_local)

    def remembered(self, trailer: str) -> dict[str, Obtained | LinkError]:
        """Link -> its result in an earlier run, so that changed limits need no new requests."""
        path = self.downloads.receipt_path(trailer)
        if not path.exists():
            return {}
        receipt = read_receipt(path)
        found: dict[str, Obtained | LinkError] = {}
        for item in () if self.retry_dead else receipt.facts.get("refused", ()):
            if item["reason"] not in QUALITY and REASONS.get(item["reason"]):
                found[known_link(item["url"])] = LinkError(**{key: item[key] for key in REFUSAL_KEYS if key in item})
        facts = dict(receipt.facts.get("kept") or receipt.facts)
        facts.pop("file", None)
        file, sha256 = receipt.file or kept_file(receipt), facts.pop("sha256", receipt.sha256)
        if all(facts.get(key) == value for key, value in self.kind.asked.items()) and self.downloads.is_whole(
            file, facts
        ):
            plain = {key: value for key, value in facts.items() if key not in ("quality", "refused")}
            found[known_link(facts["url"])] = Obtained(path.with_name(file), sha256, plain)
        return found

    def any_appeared(self, receipt: Receipt) -> bool:
        """Whether a local file that was missing exists now."""
        missing = [item["url"] for item in receipt.facts.get("refused", ()) if item["reason"] == "not found"]
        return any(not known_link(url) and version_of(self.base, url) is not None for url in missing)

    def row(self, receipt: Receipt) -> LedgerRow:
        folder = str(self.kind.folder.relative_to(self.root))
        return ledger_row(receipt, self.kind.stage, folder, self.kind.facts)


def ledger_row(receipt: Receipt, stage: str, folder: str, shown: Sequence[str]) -> LedgerRow:
    """The ledger row of a receipt in ``folder`` of the results, with the facts ``shown``.

    Raises:
        KeyError: one of these facts is not in the receipt.
    """
    if receipt.status == DEAD:
        facts = {key: receipt.facts[key] for key in ("reason", "sentence") if key in receipt.facts}
        return LedgerRow(receipt.trailer, DEAD, "", receipt.fingerprint, facts, f"{stage}: {receipt.error}")
    facts = {key: receipt.facts[key] for key in shown}
    facts |= {key: receipt.facts[key] for key in SHOWN_IF_KNOWN if key in receipt.facts}
    if receipt.reference:
        facts["reference"] = receipt.reference
    path = f"{folder}/{receipt.file or f'{receipt.trailer}.json'}"
    return LedgerRow(receipt.trailer, OK, path, receipt.fingerprint, facts)


def refuse(found: Mapping[str, str]) -> None:
    for reason, words in found.items():
        raise LinkError(reason, words)


def as_record(url: str, problem: LinkError) -> dict[str, str]:
    plain = {"url": url, "reason": problem.reason, "words": problem.words}
    return plain if problem.sentence == problem.words else {**plain, "sentence": problem.sentence}
