"""One line per running stage at the bottom of a terminal: trailers done, rate, time left.

Jobs write their progress into a folder (``trailers.machine.progress``); a thread of the run that started them reads it
once per second and draws the lines. Between two drawings, the cursor is at the start of the first line: other output
first clears the screen from there, and the lines are drawn again below it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from trailers.machine.progress import duration
from trailers.machine.terminal import CLEAR, PROGRESS

EVERY_S = 1.0
WINDOW_S = 120.0  # the rate is computed over the last two minutes


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@dataclass
class Counts:
    """The progress of one stage."""

    total: int  # trailers in this run
    notes: dict[str, tuple[int, int]] = field(default_factory=dict)  # shard -> (trailers up to date, trailers made)
    seen: deque[tuple[float, int]] = field(default_factory=deque)  # (time, trailers made until then)

    @property
    def made(self) -> int:
        return sum(made for _, made in self.notes.values())

    @property
    def done(self) -> int:
        return self.made + sum(up_to_date for up_to_date, _ in self.notes.values())

    def look(self, now_s: float) -> None:
        """Record the number of trailers made until now, for the rate."""
        self.seen.append((now_s, self.made))
        while len(self.seen) > 2 and self.seen[1][0] <= now_s - WINDOW_S:
            self.seen.popleft()

    @property
    def rate(self) -> float:
        """Trailers per second."""
        (then_s, before), (now_s, made) = self.seen[0], self.seen[-1]
        return (made - before) / (now_s - then_s) if now_s > then_s else 0.0

    def line(self, stage: str) -> str:
        rate, todo = self.rate, max(0, self.total - self.done)
        speed = f"{60 * rate:.1f} per minute" if rate else "-"
        left = duration(todo / rate if rate else None)
        return f"{stage}  {self.done:,} of {self.total:,} trailers  {speed}  {left} left"


class Live(threading.Thread):
    """Draws the lines until ``stop`` is called.

    Args:
        folder: the folder into which jobs write their progress.
        totals: stage and variant, joined by blanks -> trailers of this run.
        terminal: the stream to draw on.
    """

    def __init__(self, folder: Path, totals: Mapping[str, int], terminal: TextIO) -> None:
        super().__init__(daemon=True, name="live")
        self.folder, self.terminal = folder, terminal
        self.stages = {stage: Counts(total) for stage, total in totals.items()}
        self.read_ns: dict[str, int] = {}  # name of a file -> time of the version that was read
        self.lock = threading.Lock()
        self.is_drawn = False
        self.is_at_start = True  # whether the cursor is at the start of a line
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(EVERY_S):
            self.read()
            self.draw()

    def read(self) -> None:
        """Read the files of progress that changed."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError, ValueError):  # it is being changed, and is read the next time
                    if not entry.name.startswith(".") and self.read_ns.get(entry.name) != entry.stat().st_mtime_ns:
                        self.take(entry)
        now_s = time.monotonic()
        for counts in self.stages.values():
            if counts.notes:
                counts.look(now_s)

    def take(self, entry: os.DirEntry[str]) -> None:
        *stage, shard = entry.name.split("+")
        up_to_date, made = map(int, Path(entry.path).read_text().split())
        self.stages.setdefault(" ".join(stage), Counts(0)).notes[shard] = up_to_date, made
        self.read_ns[entry.name] = entry.stat().st_mtime_ns

    def lines(self) -> list[str]:
        """One line per stage that has begun and has not finished, in aligned columns."""
        rows = [
            counts.line(stage).split("  ")
            for stage, counts in self.stages.items()
            if counts.notes and counts.done < counts.total
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def draw(self) -> None:
        size = shutil.get_terminal_size()
        lines = [line[: size.columns - 1] for line in self.lines()][: max(1, size.lines - 2)]
        with self.lock:
            if not self.is_at_start:
                return
            self.clear()
            if lines:
                up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
                self.put("\n".join(lines) + up + "\r")
                self.is_drawn = True

    def clear(self) -> None:
        if self.is_drawn:
            self.put(CLEAR)
            self.is_drawn = False

    def put(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone
            self.terminal.write(text)
            self.terminal.flush()

    def write_above(self, text: str) -> int:
        """Write ``text`` to the terminal; the lines are later drawn below it."""
        with self.lock:
            self.clear()
            self.put(text)
            self.is_at_start = text.endswith("\n") if text else self.is_at_start
        return len(text)

    def stop(self) -> None:
        self.ended.set()
        self.join(2 * EVERY_S)
        with self.lock:
            self.clear()
        os.environ.pop(PROGRESS, None)
        shutil.rmtree(self.folder, ignore_errors=True)


class Above:
    """Replaces the stream of a terminal for other writers while lines are drawn on it."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def write(self, text: str) -> int:
        return self.live.write_above(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.live.terminal, name)


def start(folder: Path, totals: Mapping[str, int], terminal: TextIO) -> Live:
    """Draw the progress of jobs that this process starts from now on; ``folder`` is created, and removed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[PROGRESS] = str(folder.resolve())
    terminal.flush()
    sys.stderr.flush()
    live = Live(folder, totals, terminal)
    live.start()
    return live
