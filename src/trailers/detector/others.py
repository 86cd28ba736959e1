"""Other detectors than TransNet V2: any function that computes transition probabilities from a trailer's frames.

They run in the same stage, give the same products and are compared by ``trailers evaluate shots``. Their results count
as exact: nothing is computed a second time in float32.
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

CONTENT_THRESHOLD = 27.0  # the threshold of PySceneDetect's content detector, which becomes the probability 0.5
Detect = Callable[[np.ndarray], np.ndarray]  # uint8 (frames, 27, 48, 3), RGB -> (frames,) or (frames, 2)


@dataclass(frozen=True)
class OtherDetector:
    """A function as a detector, with the methods of ``Detector`` that the stage needs.

    Args:
        name: its name in config.yaml, for messages.
        detect: gets all frames of a trailer, uint8 (frames, 27, 48, 3), RGB, which are 11 MB for two minutes. It
            gives the probability that each frame is the last before a transition, float (frames,); or two columns,
            float (frames, 2): this probability, and the probability that each frame is part of a transition.
    """

    name: str
    detect: Detect

    def stream(self, videos: Iterable[Callable[[], Video]]) -> Iterator[Scores | Exception]:
        """The scores of every video in order; the exception in place of scores that cannot be computed."""
        for open_video in videos:
            try:
                yield self.scores(open_video())
            except ConfigError:
                raise  # the detector is wrong, not the trailer
            except Exception as problem:  # noqa: BLE001  one video never stops the others; given in place of scores
                yield problem

    def scores(self, video: Video) -> Scores:
        """The scores of one video. Raises ConfigError if they are not probabilities of its frames."""
        found = np.asarray(self.detect(video.read(0, video.frames)))
        wanted = ((video.frames,), (video.frames, 2))
        if found.shape not in wanted or found.dtype.kind not in "fiub":
            raise self.wrong(f"gives {found.dtype} {found.shape} for {video.frames} frames, not float {wanted[0]}")
        single, many = (found, found) if found.ndim == 1 else found.T
        # In this form, NaN counts as wrong.
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
        if number:  # the first frame has no frame before it
            (scores[number - 1],) = detector.stats_manager.get_metrics(time, [detector.FRAME_SCORE_KEY])
    return (scores / (scores + CONTENT_THRESHOLD)).astype(np.float32)


def missing_scenedetect() -> ConfigError:
    return ConfigError(
        "shots.detector 'content' needs PySceneDetect, which is not installed",
        remedy="Install it: pip install 'trailers[detectors]'.",
    )
