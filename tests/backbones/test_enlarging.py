"""Backbones that need frames larger than the kept videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trailers.backbones.enlarging import enlarged, enlargement_warning
from trailers.backbones.rows import find_row, row_values

DINO = "timm:vit_small_patch14_dinov2.lvd142m"


@pytest.mark.parametrize(("side", "kept"), [(256, 256), (224, 256), (518, 518), (518, None)])
def test_there_is_no_warning_if_frames_are_not_enlarged(side: int, kept: int | None) -> None:
    assert enlargement_warning(DINO, side, kept) == ""


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (DINO, f"Raise normalise.short_side to 518 or, where the model offers it, write {DINO}?size=224."),
        (f"{DINO}?pool=avg", f"write {DINO}?pool=avg&size=224."),
        (f"{DINO}?size=518", "Raise normalise.short_side to 518."),
        ("torchvision:vit_h_14", "Raise normalise.short_side to 518."),
        ("resnet50", "Raise normalise.short_side to 518."),
        ("mine.py:net", "Raise normalise.short_side to 518."),
    ],
)
def test_the_remedy_is_a_larger_video_or_a_smaller_picture(name: str, remedy: str) -> None:
    words = enlargement_warning(name, 518, 256)
    assert words.startswith(f"{name} takes frames with a short side of 518 px, but normalise.short_side keeps 256")
    assert words.endswith(remedy)


def test_each_recorded_backbone_is_reported_once_and_no_library_is_loaded(tmp_path: Path) -> None:
    row = find_row(DINO, tmp_path)
    (tmp_path / "timm-vit_small_patch14_dinov2.lvd142m.json").write_text(json.dumps({"row": row_values(row)}))
    names = [DINO, "resnet50", DINO, "timm:never_recorded.x"]
    assert [words.partition(" takes")[0] for words in enlarged(names, tmp_path, 256)] == [DINO]
