"""Draw the frames that the network saw, and embed the clip again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trailers.backbones.precision import TOLERANCE, cosines
from trailers.backbones.row import Row
from trailers.errors import StoreError
from trailers.store.atomic import atomic
from trailers.tools.trace.sections import frames_seen
from trailers.tools.trace.vector import Vector

COLUMNS = 8
GAP_PX = 2
CAPTION_PX = 14


def need_frame(vector: Vector) -> None:
    """Raises StoreError if it is not known which frame stands for the clip."""
    if not vector.is_frame_known:
        raise StoreError(
            "does not say which frame stands for the clip, and the list of clips is missing", where=vector.path,
            remedy="Rerun the clips and embed stages.",
        )  # fmt: skip


def show(vector: Vector, row: Row, path: Path) -> None:
    """Draws the frames that the network was given, resized and cropped, before normalisation."""
    from trailers.api.embedding import pixels_of
    from trailers.api.video import FileVideo

    need_frame(vector)
    layout = vector.layout
    video = FileVideo(layout.video(vector.trailer), layout.frames(vector.trailer))
    numbers = frames_seen(vector, row)
    with video.reader() as read:
        pixels = pixels_of(video, read, np.array([numbers]), row.transform)[0]
    draw(pixels, ["black" if number < 0 else str(number) for number in numbers], path)


def draw(frames: np.ndarray, captions: list[str], path: Path) -> None:
    """Write uint8 (n, height, width, 3) as one PNG, eight in a row, each above its caption."""
    from PIL import Image, ImageDraw

    count, height, width = frames.shape[:3]
    columns = min(COLUMNS, count)
    step_x, step_y = width + GAP_PX, height + CAPTION_PX + GAP_PX
    picture = Image.new("RGB", (columns * step_x, -(-count // columns) * step_y), "white")
    pen = ImageDraw.Draw(picture)
    for number, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
        x, y = number % columns * step_x, number // columns * step_y
        picture.paste(Image.fromarray(frame), (x, y))
        pen.text((x + GAP_PX, y + height), caption, fill="black")
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")


def embed_again(vector: Vector) -> tuple[str, bool]:
    """Embeds the clip again; returns a description of the difference, and whether it is small enough."""
    from trailers.api.embedding import embed
    from trailers.api.video import FileVideo

    need_frame(vector)
    layout = vector.layout
    video = FileVideo(layout.video(vector.trailer), layout.frames(vector.trailer))
    found = embed(
        video, [vector.clip], backbone=vector.backbone, fps=vector.strategy.fps, keep_frames=True, progress=False,
        precision="float32" if vector.text("precision") == "float32" else "auto",
        random_weights=vector.text("weights").startswith("random"),
    )  # fmt: skip
    if found.shape[1] != len(vector.values):
        return f"{vector.backbone} now gives vectors of {found.shape[1]} values, not {len(vector.values)}", False
    cosine = float(cosines(found, vector.values[None])[0])
    difference = float(np.abs(found[0].astype(np.float64) - vector.values).max())
    bits = ", bit for bit the same" if np.array_equal(found[0], vector.values) else ""
    return f"cosine {cosine:.6f}, largest difference {difference:.3g}{bits}", cosine >= TOLERANCE
