"""The cost of a backbone (Table 6), and the table of all backbones."""

from __future__ import annotations

from pathlib import Path

import pytest

from trailers.backbones.cost import cost_of
from trailers.backbones.rows import ROWS
from trailers.domain import ClipStrategy

NOWHERE = Path("no-such-folder")


@pytest.mark.parametrize(
    ("name", "millions", "billions", "clip_billions"),
    [
        ("shufflenet_v2_x1_0", 1.7, 4.3, 0.144),
        ("resnet50", 23.9, 122.6, 4.087),
        ("r2plus1d_18", 31.7, 1823.3, 60.778),
        ("swin_tiny_patch4_window7_224.ms_in1k", 27.9, None, 4.490),
        ("swin3d_t", None, None, 75.856),
        ("shufflenet3d", 1.7, None, None),
    ],
)
def test_costs_are_those_of_table_6(
    name: str, millions: float | None, billions: float | None, clip_billions: float | None
) -> None:
    cost = cost_of(ROWS[name])
    if millions is not None:
        assert round(cost.table_6[0], 1) == millions
    if billions is not None:
        assert round(cost.table_6[1], 1) == billions
    if clip_billions is not None:
        assert round(cost.multiply_adds / 1e9, 3) == clip_billions


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_backbone_states_its_cost(name: str) -> None:
    cost = cost_of(ROWS[name])
    assert (ROWS[name].about.parameters, ROWS[name].about.multiply_adds) == (cost.parameters, cost.multiply_adds)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("r2plus1d_18", "shot32-fps12"), ("swin3d_t", "shot64-fps12"), ("mvit_v2_s", "shot48-fps8"),
        ("slow_r50", "shot48-fps4"), ("slowfast_r50", "shot64-fps12"),
        ("x3d_m", "shot64-fps6"), ("shufflenet3d", "shot16"), ("resnet50", ""),
    ],
)  # fmt: skip
def test_a_backbone_suggests_the_clips_nearest_to_those_it_was_trained_on(name: str, strategy: str) -> None:
    assert ROWS[name].about.strategy == strategy
    assert not strategy or str(ClipStrategy.parse(strategy)) == strategy


def test_describing_a_backbone_prints_what_is_known_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    from trailers.__main__ import main

    assert main(["backbones", "--plain", "--weights-dir", str(NOWHERE), "mvit_v2_s"]) == 0
    output = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert output[0] == "mvit_v2_s"
    assert set(output) >= {
        "  pooling: token", "  head: left out", "  input_size: 224x224", "  frames_wanted: 16", "  trained_fps: 7.5",
        "  suggested_clips: shot48-fps8", "  licence: BSD-3-Clause", "  parameters: 34,230,144",
        "  multiply_adds: 64,223,508,672",
    }  # fmt: skip


def test_the_table_lists_every_backbone_and_whether_its_weights_are_present(capsys: pytest.CaptureFixture[str]) -> None:
    from trailers.__main__ import main

    assert main(["backbones", "--plain", "--weights-dir", str(NOWHERE)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ROWS)
    (lite,) = (line for line in lines if line.startswith("efficientnet_lite0"))
    assert "here: ImageNet-1K, sha256 57934424, Apache-2.0" in lite
    (resnet,) = (line for line in lines if line.startswith("resnet50"))
    assert resnet.endswith("missing: IMAGENET1K_V1")


@pytest.mark.parametrize("content", [b"", b"<html>", b"version https://git-lfs.github.com/spec/v1\n", b"\0" * 100])
def test_weights_that_are_something_else_are_listed_as_damaged(tmp_path: Path, content: bytes) -> None:
    from trailers.backbones.weights import weights_path
    from trailers.tools.backbones import state_of_weights

    row = ROWS["resnet50"]
    assert state_of_weights(row, tmp_path) == "missing: IMAGENET1K_V1"
    weights_path(row, tmp_path).write_bytes(content)
    assert state_of_weights(row, tmp_path) == "damaged: IMAGENET1K_V1"
