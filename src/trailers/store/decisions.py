"""decisions.csv: the decisions of reviewers about trailers, one row per key press; rows are only appended.

A row is on the disk before the page confirms it. Its last cell is a full stop; a row that a crash left incomplete
lacks it, is ignored by readers and removed by the next writer. Several reviewers may write to one file, under a lock.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import fcntl
import io
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from trailers.domain import is_safe_id
from trailers.errors import StoreError
from trailers.store.candidates import safe_link, safe_text

log = logging.getLogger(__name__)

COLUMNS = ("when", "who", "pass", "trailer", "action", "url", "candidate", "flags", "note", "end")
END = "."
ACCEPT, REJECT, FLAG, NOTE, UNDO = ACTIONS = ("accept", "reject", "flag", "note", "undo")
FLAGS = ("wrong title", "teaser", "fan-made", "advertising", "padding", "low quality")
WHO = re.compile(r"[^\W_][\w .@-]{0,39}")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)
REMEDY = "Correct the row, or remove it."
HEADER = ",".join(COLUMNS) + "\n"


@dataclass(frozen=True)
class Decision:
    """One key press of a reviewer.

    Raises:
        ValueError: a value is not allowed.
    """

    when: str  # UTC
    who: str
    review: int  # 1, or 2 for the second pass over a sample; the column `pass`
    trailer: str  # id of the title
    action: str
    url: str = ""  # what is accepted or flagged
    candidate: str = ""  # the rank of `url` among the candidates, from 1; empty for a link that the reviewer pasted
    flags: tuple[str, ...] = ()  # all flags of `url` from now on
    note: str = ""

    def __post_init__(self) -> None:
        if WHEN.fullmatch(self.when) is None:
            raise ValueError(f"'{self.when[:40]}' is not a time such as 2026-11-26T12:00:00Z")
        if WHO.fullmatch(self.who) is None or self.who != self.who.strip():
            raise ValueError(f"'{self.who[:40]}' is not a name of 1 to 40 letters, digits, blanks and . @ _ -")
        if self.review not in (1, 2):
            raise ValueError(f"a pass is 1 or 2, got {self.review}")
        if self.action not in ACTIONS:
            raise ValueError(f"an action is one of {', '.join(ACTIONS)}, got '{self.action[:40]}'")
        if not is_safe_id(self.trailer):
            raise ValueError(f"'{self.trailer[:80]}' is not an id")
        if self.url and safe_link(self.url) != self.url:
            raise ValueError(f"'{self.url[:80]}' is not an http or https link")
        if self.action in (ACCEPT, FLAG) and not self.url:
            raise ValueError(f"{self.action} needs a link")
        if self.candidate and not (self.candidate.isascii() and self.candidate.isdigit() and len(self.candidate) < 4):
            raise ValueError(f"a candidate is a rank such as 1, got '{self.candidate[:40]}'")
        if set(self.flags) - set(FLAGS):
            raise ValueError(f"a flag is one of {', '.join(FLAGS)}, got {', '.join(self.flags)[:80]}")
        if self.note != safe_text(self.note):
            raise ValueError("a note is one line of up to 300 characters")


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_line(decision: Decision) -> str:
    when, who, review, trailer, action, url, candidate, flags, note = astuple(decision)
    text = io.StringIO(newline="")
    cells = (when, who, review, trailer, action, url, candidate, ";".join(flags), note, END)
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def from_cells(cells: Sequence[str]) -> Decision:
    """The decision of one row. Raises ValueError if the cells are not a decision."""
    if len(cells) != len(COLUMNS) or cells[-1] != END:
        raise ValueError(f"has {len(cells)} cells, expected {', '.join(COLUMNS)}; the last cell is a full stop")
    when, who, review, trailer, action, url, candidate, flags, note, _ = cells
    chosen = tuple(flag for flag in flags.split(";") if flag)
    return Decision(
        when, who, int(review) if review in ("1", "2") else 0, trailer, action, url, candidate, chosen, note
    )


@dataclass
class Journal:
    """The decisions in one file. ``refresh`` reads new ones; ``append`` adds one."""

    path: Path
    decisions: list[Decision] = field(default_factory=list)
    offset: int = 0  # bytes of complete rows that were read
    lines: int = 0
    inode: int = 0
    generation: int = 0  # increases when ``decisions`` starts again because the file was replaced

    def refresh(self) -> list[Decision]:
        """All decisions so far, including those of other reviewers; empty if the file does not exist yet.

        Raises:
            StoreError: a row is not a decision; the error names it.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self.inode or status.st_size < self.offset:  # another file, or a shorter one
                    self.begin(status.st_ino)
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            self.begin(0)
        except OSError as problem:
            what = f"cannot be read: {problem.strerror}"
            raise StoreError(what, where=self.path, remedy="Name a readable file.") from None
        else:
            self.take(data[: whole_bytes(data)])
        return self.decisions

    def begin(self, inode: int) -> None:
        self.decisions, self.offset, self.lines, self.inode = [], 0, 0, inode
        self.generation += 1

    def take(self, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            self.lines += 1
            self.offset += len(line)
            where = f"{self.path}: row {self.lines}"
            try:
                text = line.decode("utf-8-sig" if self.lines == 1 else "utf-8").strip("\r\n")
                cells = next(csv.reader([text], strict=True), [])
                if self.lines == 1:
                    check_header(cells)
                elif cells:
                    self.decisions.append(from_cells(cells))
            except (ValueError, csv.Error) as problem:
                self.inode = 0  # so that the whole file is read again after it was corrected
                raise StoreError(str(problem), where=where, remedy=REMEDY) from None

    def append(self, decision: Decision) -> None:
        """Add ``decision``; it is on the disk when this returns.

        Raises:
            OSError: it could not be written; the error names the file. What was written of it is removed, or is
                an incomplete row, which readers ignore.
        """
        line = as_line(decision).encode()
        try:
            with locked(self.path) as handle:
                end = trim(handle, self.path)
                write_at(handle, line if end else HEADER.encode() + line, end)
        except OSError as problem:
            # The error of a write to an open file names no file.
            raise OSError(problem.errno, problem.strerror, problem.filename or str(self.path)) from problem


def write_at(handle: int, data: bytes, end: int) -> None:
    """Write ``data`` at byte ``end`` and wait until it is on the disk. Raises OSError, after removing what it wrote."""
    done = 0
    try:
        while done < len(data):  # a disk that is nearly full writes a part; the next call raises the error
            done += os.pwrite(handle, data[done:], end + done)
        os.fsync(handle)
    except OSError:
        with contextlib.suppress(OSError):  # readers ignore an incomplete row
            os.ftruncate(handle, end)
        raise


def check_header(cells: Sequence[str]) -> None:
    if tuple(cells) != COLUMNS:
        raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {', '.join(cells)[:200]}")


def whole_bytes(data: bytes) -> int:
    """Number of bytes of ``data`` that are complete rows; a last row without a line break is complete if it has END."""
    cut = data.rfind(b"\n") + 1
    return len(data) if data[cut:].endswith(f",{END}".encode()) else cut


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """The file, opened for writing by one writer at a time; created if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with contextlib.suppress(OSError):  # if the file system has no locks, a single writer is assumed
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def trim(handle: int, path: Path) -> int:
    """The byte where the next row belongs; removes an incomplete row that a crash left there."""
    size = os.fstat(handle).st_size
    data = os.pread(handle, size, 0)
    end = whole_bytes(data)
    if end < size:
        log.warning("%s: removed a row that a crash left incomplete: %s", path, data[end:][:200])
        os.ftruncate(handle, end)
    if end and not data[:end].endswith(b"\n"):
        os.pwrite(handle, b"\n", end)
        end += 1
    return end
