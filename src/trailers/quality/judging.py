"""Which flags a trailer gets, from the measurements of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trailers.domain import FPS
from trailers.quality import cards
from trailers.quality.flags import Flag, Limits, Span
from trailers.quality.light import CELL, luma
from trailers.quality.looking import Seen
from trailers.quality.picture import Bars, bars, edges, smallest
from trailers.quality.runs import runs_of, still_runs

SHOWN_SPANS = 20  # of one flag; a slide show has hundreds


@dataclass(frozen=True)
class Picture:
    """The 24 fps video and the active picture in it, in px."""

    width_px: int
    height_px: int
    left_px: int = 0
    top_px: int = 0
    right_px: int = 0  # bar at the right
    bottom_px: int = 0

    def __post_init__(self) -> None:
        if min(self.active_px) < 1 or min(self.left_px, self.top_px, self.right_px, self.bottom_px) < 0:
            raise ValueError(f"a picture needs at least one pixel between its bars, got {self}")

    @property
    def active_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width_px - self.left_px - self.right_px, self.height_px - self.top_px - self.bottom_px

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Top, bottom, left and right of the active picture, as shares of height and width."""
        return (
            self.top_px / self.height_px, 1 - self.bottom_px / self.height_px,
            self.left_px / self.width_px, 1 - self.right_px / self.width_px,
        )  # fmt: skip


def find_bars(seen: Seen, limits: Limits) -> tuple[Bars | None, Bars | None]:
    """The bars above and below the picture (letterbox), and those beside it (pillarbox)."""
    windows = smallest(seen.edges, seen.looked_at, black=seen.black)
    height, width = (CELL * cells for cells in seen.thumbnails.shape[1:])
    return (
        bars(windows, 0, height, len(seen), share=limits.bar_share),
        bars(windows, 2, width, len(seen), share=limits.bar_share),
    )


def chosen_frames(seen: Seen, letterbox: Bars | None, pillarbox: Bars | None, *, most: int) -> list[int]:
    """Up to ``most`` frames, spread over the trailer, in which only the bars are black, to measure them."""
    fitting = ~seen.black[seen.looked_at]
    for side, found in ((0, letterbox), (2, pillarbox)):
        if found is not None:
            fitting &= (seen.edges[:, side : side + 2] == (found.first, found.last)).all(axis=1)
    frames = seen.looked_at[fitting if fitting.any() else ~seen.black[seen.looked_at]]
    return [int(frame) for frame in frames[np.linspace(0, len(frames) - 1, min(most, len(frames))).astype(int)]]


def measured(frames: np.ndarray, letterbox: Bars | None, pillarbox: Bars | None, *, level: int) -> Picture:
    """The active picture in uint8 (frames, height, width, 3) of a trailer that has these bars."""
    found = edges(luma(frames), level=level).min(axis=0)
    top, bottom = found[:2] if letterbox is not None else (0, 0)
    left, right = found[2:] if pillarbox is not None else (0, 0)
    height, width = frames.shape[1:3]
    return Picture(width, height, int(left), int(top), int(right), int(bottom))


def flags_of_picture(found: Picture, letterbox: Bars | None, pillarbox: Bars | None) -> Iterator[Flag]:
    for name, seen, bar, whole in (
        ("letterbox", letterbox, found.top_px + found.bottom_px, found.height_px),
        ("pillarbox", pillarbox, found.left_px + found.right_px, found.width_px),
    ):
        if seen is not None and bar:
            where = "throughout" if not seen.spans else f"in {seen.stable:.0%} of its bright parts"
            yield Flag(name, f"bars take {bar / whole:.1%} of the {word(name)}, {where}", seen.spans[:SHOWN_SPANS])
    width, height = found.active_px
    if height > width:
        yield Flag("vertical", f"the picture is {width}x{height} px")


def word(flag: str) -> str:
    return "height" if flag == "letterbox" else "width"


def flags_of_frames(seen: Seen, limits: Limits, frame: Callable[[int], np.ndarray]) -> Iterator[Flag]:
    """Black and still runs, and cards.

    Args:
        seen: of ``looking.look``.
        limits: at which a trailer is flagged.
        frame: gives one frame, uint8 (height, width, 3).
    """
    dark = [(start, end) for start, end in runs_of(seen.black) if end - start >= limits.black_s * FPS]
    yield from flag_of_runs("black", "black", dark, len(seen))
    still = [(start, end) for start, end in still_runs(seen.thumbnails) if not seen.black[start:end].all()]
    known: set[Span] = set()
    ends = cards.candidates(still, len(seen), shortest_s=limits.card_s)
    for name, spans in zip(("start_card", "end_card"), ends, strict=True):
        looks = {span: frame(sum(span) // 2) for span in spans}
        found = [span for span, look in looks.items() if cards.is_plain(look)]
        if found:
            colour = cards.colour_name(cards.background(looks[found[0]])[0])
            yield Flag(name, f"still on {colour} for {total_s(found):.1f} s", tuple(found[:SHOWN_SPANS]))
        known |= set(found)
    long = [span for span in still if span not in known and span[1] - span[0] >= limits.static_s * FPS]
    yield from flag_of_runs("static", "unchanged", long, len(seen))


def flag_of_runs(name: str, what: str, runs: Sequence[Span], frames: int) -> Iterator[Flag]:
    if runs:
        seconds = total_s(runs)
        reason = f"{what} for {seconds:.1f} s of {frames / FPS:.1f} s, the longest run {longest_s(runs):.1f} s"
        yield Flag(name, reason, tuple(runs[:SHOWN_SPANS]))


def total_s(runs: Sequence[Span]) -> float:
    return sum(end - start for start, end in runs) / FPS


def longest_s(runs: Sequence[Span]) -> float:
    return max(end - start for start, end in runs) / FPS


def brightness(seen: Seen, found: Picture) -> float:
    """The mean brightness of the active picture, as the median over frames that are not black; 0 if all are black."""
    top, bottom, left, right = found.box
    bright = seen.thumbnails[~seen.black]
    if not len(bright):
        return 0.0
    # Bars are black, so the mean of the whole frame is the mean of the picture times its share of the frame.
    return float(np.median(bright.mean(axis=(1, 2))) / ((bottom - top) * (right - left)))


def flags_of_whole(bright: float, shots: int, frames: int, limits: Limits) -> Iterator[Flag]:
    if bright <= limits.dark_mean:
        yield Flag("dark", f"the mean brightness of the picture is {bright:.1f} of 255")
    if shots < limits.min_shots:
        yield Flag("few_shots", f"{shots} shots in {frames / FPS:.1f} s")
