"""The transform of a processor of transformers: read from its fields, then tested on pictures.

A processor is a program that need not do what its fields state. Therefore its result on synthetic frames is compared
with that of the transform, and a processor that does something else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.row import Transform
from trailers.errors import ConfigError

INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # as Pillow numbers them
SIZES = ((90, 161), (161, 90), (241, 323))  # of the synthetic frames: the crop removes odd and even lengths
MOST_LEVELS = 1.5  # grey levels by which rounding may differ: some processors resize in float, this project in uint8


def read_processor(folder: Path, *, is_video: bool) -> Any:
    """The processor of a repository on disk, never with code from there. Raises ConfigError."""
    import transformers

    kinds = (transformers.AutoVideoProcessor, transformers.AutoImageProcessor)
    kind = kinds[0] if is_video else kinds[1]
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ConfigError(
            f"its processor cannot be created: {words}", where=folder, remedy="Choose another repository."
        ) from None


def transform_of(processor: Any, where: object) -> Transform:
    """The transform of ``processor``. Raises ConfigError if a Transform cannot express it."""
    try:
        transform = transform_of_fields(processor)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise refused(processor, where, str(problem)) from None
    for size in SIZES:
        frames = synthetic_frames(*size)
        wanted, found = processed(processor, frames), prepared(transform, frames)
        if wanted.shape != found.shape:
            raise refused(processor, where, f"{size[0]}x{size[1]} pixels become {wanted.shape}, not {found.shape}")
        levels = 255 * np.array(transform.std, np.float32)[:, None, None]
        worst = float(np.abs((wanted - found) * levels).mean())
        if worst > MOST_LEVELS:
            raise refused(processor, where, f"{size[0]}x{size[1]} pixels differ by {worst:.1f} grey levels")
    return transform


def refused(processor: Any, where: object, words: str) -> ConfigError:
    return ConfigError(
        f"its {type(processor).__name__} prepares frames in a way that is not supported: {words}",
        where=where, remedy="Choose another repository, or describe the network in a file of your own.",
    )  # fmt: skip


def transform_of_fields(processor: Any) -> Transform:
    """The transform that the processor's fields state. Raises KeyError, TypeError or ValueError."""
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean, std = (tuple(levels(getattr(processor, name))) for name in ("image_mean", "image_std"))
    if not processor.do_normalize:
        mean, std = (0.0,) * 3, (1.0,) * 3
    offset = measured_offset(processor, mean, std)
    crops = bool(getattr(processor, "do_center_crop", False)) and processor.crop_size is not None
    size = sides(processor.size) if processor.do_resize else None
    if size is None or (len(size) == 1 and not crops):
        raise ValueError("frames would keep different sizes")
    crop = sides(processor.crop_size) if crops else size
    # (x scale - offset - mean) / std, written for x / 255. Multiples of 255 that are exact stay so.
    unit = 1.0 if abs(255 * scale - 1) < 1e-9 else 255 * scale
    return Transform(
        size, (crop[0], crop[-1]),
        tuple((level + offset) / unit for level in mean), tuple(level / unit for level in std),  # type: ignore[arg-type]
        INTERPOLATIONS[int(processor.resample)], crop_rounding="down",
    )  # fmt: skip


def measured_offset(processor: Any, mean: Sequence[float], std: Sequence[float]) -> float:
    """The number that is subtracted from scaled values before they are normalised: 0, or 1 for the range -1 to 1."""
    black = processed(processor, np.zeros((1, 64, 64, 3), np.uint8))[0, :, 0, 0]
    channels = zip(black, mean, std, strict=True)
    found = {round(float(-value * deviation - level), 3) for value, level, deviation in channels}
    if found not in ({0.0}, {1.0}):
        raise ValueError(f"black becomes {black.tolist()}")
    return found.pop()


def levels(value: float | Sequence[float]) -> list[float]:
    """One number per channel."""
    return [float(value)] * 3 if isinstance(value, int | float) else [float(level) for level in value]


def sides(size: Any) -> tuple[int, ...]:
    """(short side,) or (height, width), of the forms that processors have. Raises ValueError."""
    if isinstance(size, int):
        return (size, size)
    values: Mapping[str, Any] = {key: value for key, value in dict(size).items() if value}
    if set(values) == {"height", "width"}:
        return int(values["height"]), int(values["width"])
    if set(values) == {"shortest_edge"}:
        return (int(values["shortest_edge"]),)
    raise ValueError(f"its size is {dict(values)}")


def synthetic_frames(height: int, width: int) -> np.ndarray:
    """uint8 (2, height, width, 3): gradients and a chequered corner, which reveal a shifted crop or another filter."""
    y, x = np.mgrid[0:height, 0:width]
    first = np.stack([255 * y // height, 255 * x // width, (x // 3 + y // 3) % 2 * 200], axis=-1)
    return np.stack([first, first[::-1, ::-1]]).astype(np.uint8)


def processed(processor: Any, frames: np.ndarray) -> np.ndarray:
    """The library's result for uint8 (n, height, width, 3): float32 (n, 3, height, width)."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
    is_video = hasattr(processor, "do_sample_frames")
    found = processor(pixels if is_video else list(pixels), return_tensors="pt")
    values = next(iter(found.values()))
    return np.asarray((values[0] if values.ndim == 5 else values).float().numpy())


def prepared(transform: Transform, frames: np.ndarray) -> np.ndarray:
    """This project's result for the same frames."""
    from trailers.backbones.transform import resize_and_crop

    pixels = resize_and_crop(frames, transform).astype(np.float32) / 255
    values = (pixels - np.array(transform.mean, np.float32)) / np.array(transform.std, np.float32)
    return np.asarray(values.transpose(0, 3, 1, 2))
