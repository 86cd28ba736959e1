"""Which detector the shots stage runs, and what the fingerprint includes of it.

``transnetv2`` is part of this project, ``content`` is the detector of PySceneDetect, and ``my_detectors.py:hard_cuts``
is a function in the user's own file that computes transition probabilities from the frames of a trailer
(``trailers.detector.others``):

    import numpy as np

    def hard_cuts(frames):                              # uint8 (frames, 27, 48, 3), RGB
        change = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3)) / 255
        return np.append(np.minimum(4 * change, 1), 0)  # of each frame: a cut after it

If that file changes, or a module beside it that it imports, the shots are made again.
"""

from __future__ import annotations

import importlib.util
import runpy
from typing import TYPE_CHECKING, Any

from trailers.backbones.own import running
from trailers.backbones.own_source import Source, is_own, read_source
from trailers.detector import WEIGHTS_SHA256
from trailers.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from trailers.detector.others import OtherDetector

TRANSNET = "transnetv2"
CONTENT = "content"
SETTING = "shots.detector"


def identity(name: str) -> dict[str, str]:
    """What the fingerprint of scores includes of the detector. Raises ConfigError."""
    if name == TRANSNET:
        return {"weights": WEIGHTS_SHA256}
    return {"detector": CONTENT} if name == CONTENT else {"code": source_of(name).digest}


def check_name(name: str) -> None:
    """Raise ConfigError if no detector has this name. ``check_available`` reads the user's own file."""
    if name not in (TRANSNET, CONTENT) and not is_own(name):
        raise ConfigError(
            f"{SETTING}: '{name}' is not known. Use {TRANSNET}, {CONTENT} or a function in a file of yours, such as "
            "my_detectors.py:hard_cuts."
        )


def check_available(name: str) -> None:
    """Raise ConfigError if the detector cannot run here."""
    check_name(name)
    if name == CONTENT and importlib.util.find_spec("scenedetect") is None:
        from trailers.detector.others import missing_scenedetect

        raise missing_scenedetect()
    identity(name)


def other_detector(name: str) -> OtherDetector:
    """The detector ``name``, any but TransNet V2. Raises ConfigError."""
    from trailers.detector.others import OtherDetector, content

    check_available(name)
    return OtherDetector(name, content if name == CONTENT else own_function(name))


def own_function(name: str) -> Any:
    """The user's function, from running the file. Both raise ConfigError that names the line that failed."""
    source = source_of(name)
    with running(source, "stopped"):
        function = runpy.run_path(str(source.path)).get(source.attribute)
    if not callable(function):
        raise ConfigError(
            f"contains no function called '{source.attribute}'", where=source.path, remedy=f"Correct {SETTING}."
        )

    def detect(frames: np.ndarray) -> Any:
        with running(source, f"{source.attribute} stopped"):
            return function(frames)

    return detect


def source_of(name: str) -> Source:
    return read_source(name, what="detector", setting=SETTING)
