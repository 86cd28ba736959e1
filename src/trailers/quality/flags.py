"""What a trailer can be flagged for, and the measures that decide it."""

from __future__ import annotations

from dataclasses import dataclass

# Flag -> what it says, for reports and --help.
FLAGS = {
    "letterbox": "black bars above and below the picture",
    "pillarbox": "black bars beside the picture",
    "vertical": "the picture is higher than wide",
    "black": "a long run of black frames",
    "static": "a long run of frames that do not change",
    "start_card": "a card at the start, such as a rating",
    "end_card": "a card at the end, such as a date or an address",
    "dark": "very dark as a whole",
    "few_shots": "few shots",
}
DUPLICATE = "duplicate"  # of another trailer; known only when all trailers are compared
EXCLUDABLE = (*FLAGS, DUPLICATE)

Span = tuple[int, int]  # [start, end) in frames


@dataclass(frozen=True)
class Limits:
    """From where on something is flagged."""

    bar_share: float  # of height or width that bars take together
    dark_level: int  # brightness up to which a spot is black
    dark_mean: float  # mean brightness of the picture up to which a trailer is dark
    black_s: float
    static_s: float
    card_s: float
    min_shots: int


@dataclass(frozen=True)
class Flag:
    """One thing that a trailer is flagged for; ``spans`` say where, and are empty where it is all of it."""

    flag: str
    reason: str
    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        if self.flag not in FLAGS:
            raise ValueError(f"a flag is one of {', '.join(FLAGS)}, got '{self.flag}'")
        if any(not 0 <= start < end for start, end in self.spans):
            raise ValueError(f"a span is 0 <= start < end, got {self.spans}")
