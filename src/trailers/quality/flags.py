"""The flags that a trailer can get, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

# Flag -> its meaning, for reports and --help.
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
DUPLICATE = "duplicate"  # of another trailer; known only after all trailers are compared
EXCLUDABLE = (*FLAGS, DUPLICATE)

Span = tuple[int, int]  # [start, end) in frames


@dataclass(frozen=True)
class Limits:
    """The limits at which a trailer is flagged; those in seconds are minimum durations."""

    bar_share: float  # minimum share of height or width that two bars have together
    dark_level: int  # maximum brightness of black
    dark_mean: float  # maximum mean brightness of a dark trailer's picture
    black_s: float
    static_s: float
    card_s: float
    min_shots: int


@dataclass(frozen=True)
class Flag:
    """One flag of a trailer, with its reason; ``spans`` say where it applies, and are empty for the whole trailer."""

    flag: str
    reason: str
    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        if self.flag not in FLAGS:
            raise ValueError(f"a flag must be one of {', '.join(FLAGS)}, got '{self.flag}'")
        if any(not 0 <= start < end for start, end in self.spans):
            raise ValueError(f"a span needs 0 <= start < end, got {self.spans}")
