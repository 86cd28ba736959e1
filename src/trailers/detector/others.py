"""Detectors beside TransNet V2: any function of a trailer's frames that gives transition probabilities.

They run in the same stage, give the same products and are compared by ``trailers evaluate shots``. What
they compute is exact by definition: nothing is computed a second time in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trailers.detector.windows import window_count
from trailers.errors import ConfigError
from trailers.store.scores import Scores

if TYPE_CHECKING:
    from trailers.detector.detector import Video

CONTENT_THRESHOLD = 27.0  # of PySceneDetect's content detector, where a probability is 0.5
Detect = Callable[[np.ndarray], np.ndarray]  # uint8 (frames, 27, 48, 3), RGB -> (frames,) or (frames, 2)


@dataclass(frozen=True)
class OtherDetector:
    """A function as a detector; it has the two methods of ``Detector`` that the stage needs.

    Args:
        name: in messages, as config.yaml names it.
        detect: gives the probability of each frame to be the last before a transition, float (frames,); or two
            columns, float (frames, 2): that, and the probability of each frame to be part of a transition. It gets
            all frames of a trailer at once, uint8 (frames, 27, 48, 3), RGB: 11 MB for two minutes.
    """

    name: str
    detect: Detect

    def stream(self, videos: Iterable[Callable[[], Video]]) -> Iterator[Scores | Exception]:
        """The scores of every video in order, or why it has none."""
        for open_video in videos:
            try:
                yield self.scores(open_video())
            except ConfigError:
                raise  # the detector is wrong, not the trailer
            except Exception as problem:  # noqa: BLE001  one video never stops the others; given to who asked for it
                yield problem

    def scores(self, video: Video) -> Scores:
        """The scores of one video. Raises ConfigError when they are not probabilities of its frames."""
        found = np.asarray(self.detect(video.read(0, video.frames)))
        wanted = ((video.frames,), (video.frames, 2))
        if found.shape not in wanted or found.dtype.kind not in "fiub":
            raise self.wrong(f"gives {found.dtype} {found.shape} for {video.frames} frames, not float {wanted[0]}")
        single, many = (found, found) if found.ndim == 1 else found.T
        # Written so that NaN counts as wrong.
        outside = int((~((found >= 0) & (found <= 1))).sum())
        if outside:
            raise self.wrong(f"gives {outside} values that are not between 0 and 1")
        exact = np.ones(window_count(video.frames), bool)
        return Scores(single.astype(np.float32), many.astype(np.float32), exact, "float32")

    def refine(self, scores: Scores, video: Video, *, head: str, threshold: float) -> Scores:  # noqa: ARG002
        return scores

    def wrong(self, what: str) -> ConfigError:
        return ConfigError(what, where=f"shots.detector '{self.name}'", remedy="Correct the function.")


def content(frames: np.ndarray) -> np.ndarray:
    """Transition probabilities by PySceneDetect's content detector, float32 (frames,).

    Its score s is the mean change of hue, saturation and brightness to the frame before, 0 to 255; the default
    threshold is 27. The probability is s / (s + 27), so that ``shots.threshold: 0.5`` is that default.

    Args:
        frames: uint8 (frames, height, width, 3), RGB.

    Raises:
        ConfigError: PySceneDetect is not installed.
    """
    try:
        import scenedetect
    except ImportError:
        raise missing_scenedetect() from None
    detector = scenedetect.ContentDetector()
    detector.stats_manager = scenedetect.StatsManager()
    scores = np.zeros(len(frames))
    for number, frame in enumerate(frames):
        time = scenedetect.FrameTimecode(number, 24.0)
        detector.process_frame(time, np.ascontiguousarray(frame[..., ::-1]))
        if number:  # the first frame has none before it
            (scores[number - 1],) = detector.stats_manager.get_metrics(time, [detector.FRAME_SCORE_KEY])
    return (scores / (scores + CONTENT_THRESHOLD)).astype(np.float32)


def missing_scenedetect() -> ConfigError:
    return ConfigError(
        "shots.detector 'content' needs PySceneDetect, which is not installed",
        remedy="Install it: pip install 'trailers[detectors]'.",
    )
