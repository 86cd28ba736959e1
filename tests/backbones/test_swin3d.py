"""Swin3D computed in pieces gives the same as torchvision."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.backbones.network import make_network
from trailers.backbones.rows import ROWS


def pieces_by_hand(size: tuple[int, int, int], window: tuple[int, int, int], shift: tuple[int, int, int]) -> set:
    """The sets of tokens that attend to each other, from torchvision's mask and windows."""
    import torch
    from torchvision.models.video.swin_transformer import _compute_attention_mask_3d

    padded = [-(-side // step) * step for side, step in zip(size, window, strict=True)]
    numbers = torch.full(padded, -1)
    numbers[: size[0], : size[1], : size[2]] = torch.arange(size[0] * size[1] * size[2]).view(size)
    numbers = torch.roll(numbers, [-roll for roll in shift], dims=(0, 1, 2))
    count = [side // step for side, step in zip(padded, window, strict=True)]
    windows = numbers.view(count[0], window[0], count[1], window[1], count[2], window[2])
    windows = windows.permute(0, 2, 4, 1, 3, 5).reshape(count[0] * count[1] * count[2], -1)
    seen = torch.ones(len(windows), windows.shape[1], windows.shape[1], dtype=torch.bool)
    if any(shift):
        seen = _compute_attention_mask_3d(windows.float(), tuple(padded), window, shift) == 0
    groups = set()
    for tokens, mask in zip(windows.tolist(), seen.tolist(), strict=True):
        for row in mask:
            members = [token for token, sees in zip(tokens, row, strict=True) if sees]
            real = frozenset(token for token in members if token >= 0)
            if real:
                groups.add((real, members.count(-1)))
    return groups


@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [
        ((4, 4, 4), (2, 2, 2), (0, 0, 0)),
        ((4, 4, 4), (2, 2, 2), (1, 1, 1)),
        ((3, 4, 6), (2, 2, 3), (1, 1, 1)),
        ((5, 4, 3), (4, 2, 3), (2, 1, 0)),
        ((6, 14, 14), (4, 7, 7), (2, 3, 3)),
        ((3, 5, 7), (2, 3, 4), (0, 0, 0)),
    ],
)
def test_pieces_are_the_tokens_that_attend_to_each_other_in_torchvision(
    size: tuple[int, int, int], window: tuple[int, int, int], shift: tuple[int, int, int]
) -> None:
    from trailers.backbones.swin3d import cut_into_pieces

    order, pieces = cut_into_pieces(size, window, shift)
    assert sorted(order.tolist()) == list(range(size[0] * size[1] * size[2]))
    found, start = set(), 0
    for piece in pieces:
        for _ in range(piece.count):
            found.add((frozenset(order[start : start + len(piece.places)].tolist()), len(piece.padding)))
            start += len(piece.places)
    assert found == pieces_by_hand(size, window, shift)


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "clips"), [(2, 1), (8, 2), (24, 1)])
def test_swin3d_in_pieces_gives_torchvisions_vectors(frames: int, clips: int) -> None:
    import copy

    import torch

    from trailers.backbones.swin3d import speed_up

    # At 84 px windows are padded in height and width too: 21, 11, 6 and 3 tokens.
    published = make_network(ROWS["swin3d_t"], None)
    for name, parameter in published.named_parameters():
        if "bias" in name:  # initialised to nearly zero, which would hide wrong positions
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    pixels = torch.randn(clips, 3, frames, 84, 84, generator=torch.Generator().manual_seed(frames))
    with torch.inference_mode():
        wanted = published(pixels)
        found = speed_up(copy.deepcopy(published))(pixels)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=0, atol=1e-5 * float(wanted.abs().max()))
