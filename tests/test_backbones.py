"""The room backbones: every row keeps one contract; weights, names, transforms, costs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from trailers.backbones import shufflenet3d
from trailers.backbones.cost import cost_of
from trailers.backbones.network import Embedder, cosines, make_network, sample_clips
from trailers.backbones.row import Row, Transform, Weights, clip_frames
from trailers.backbones.rows import ROWS, find_row, row_from, row_values
from trailers.backbones.transform import resize_and_crop
from trailers.backbones.weights import load_state, weights_path, weights_sha256
from trailers.domain import ClipStrategy
from trailers.errors import ConfigError, SystemicError, WeightsError
from trailers.machine.memory import keep_freed_memory
from trailers.tools import weights as weights_stage

NOWHERE = Path("no-such-folder")

# How many shown frames each row is tried with: few where the network takes any number.
SHOWN = 4


@pytest.fixture(scope="module", autouse=True)
def memory_is_kept() -> Iterator[None]:
    """As in a job: large networks take half as long again without."""
    keep_freed_memory()
    yield
    keep_freed_memory(False)


# The contract that every row keeps.


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_row_keeps_the_contract(name: str) -> None:
    import torch

    row = ROWS[name]
    network = make_network(row, None)
    assert not network.training
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())

    three = Embedder(row, network, precision="float32", batch_clips=3)
    one = Embedder(row, network, precision="float32", batch_clips=1)
    clips = random_clips(row)
    vectors = three(clips)
    assert vectors.shape == (3, row.features)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 3

    singly = np.concatenate([one(clip[None]) for clip in clips])
    np.testing.assert_allclose(singly, vectors, rtol=0, atol=1e-4 * float(np.abs(vectors).max()))
    np.testing.assert_array_equal(one(clips[:1]), singly[:1])

    black = three.normalise(torch.zeros((1, clips.shape[1], *row.transform.crop, 3), dtype=torch.uint8))
    wanted = [-mean / std for mean, std in zip(row.transform.mean, row.transform.std, strict=True)]
    np.testing.assert_allclose(black.flatten(2)[0, :, 0].numpy(), wanted, rtol=1e-5)
    assert tuple(black.shape) == (1, 3, *((clips.shape[1],) if row.dimensions == 3 else ()), *row.transform.crop)


def random_clips(row: Row) -> np.ndarray:
    """Three different clips, the last one mostly padding."""
    clips = sample_clips(row, 3, shown_frames=SHOWN)
    clips[1] = clips[1, :, ::-1]
    if row.dimensions == 3:
        clips[2, 2:] = 0
    return clips


def test_random_weights_are_the_same_every_time_and_leave_the_generators_alone() -> None:
    import torch

    row = ROWS["shufflenet_v2_x1_0"]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = make_network(row, None).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = make_network(row, None).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


# Costs (Table 6).


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


def test_the_table_lists_every_row_and_whether_its_weights_are_here(capsys: pytest.CaptureFixture[str]) -> None:
    from trailers.__main__ import main

    assert main(["backbones", "--plain", "--weights-dir", str(NOWHERE)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ROWS)
    (lite,) = (line for line in lines if line.startswith("efficientnet_lite0"))
    assert "here: ImageNet-1K, sha256 57934424, Apache-2.0" in lite
    (resnet,) = (line for line in lines if line.startswith("resnet50"))
    assert resnet.endswith("missing: IMAGENET1K_V1")


# Which frames of a clip.


def row_3d(frames: int | None, least: int = 1) -> Row:
    transform = Transform((8,), (8, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Row("made-up", "own", "made-up", 3, 4, transform, Weights("none", "none.pth"), frames, least)


@pytest.mark.parametrize(
    ("frames", "shown", "taken"),
    [
        (None, 5, [0, 1, 2, 3, 4]),
        (4, 4, [0, 1, 2, 3]),
        (16, 24, [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 23]),
        (8, 24, [0, 3, 6, 9, 13, 16, 19, 23]),
        (
            32,
            24,
            [
                0,
                0,
                1,
                2,
                2,
                3,
                4,
                5,
                5,
                6,
                7,
                8,
                8,
                9,
                10,
                11,
                11,
                12,
                13,
                14,
                14,
                15,
                16,
                17,
                17,
                18,
                19,
                20,
                20,
                21,
                22,
                23,
            ],
        ),
        (4, 1, [0, 0, 0, 0]),
    ],
)
def test_wanted_frames_are_spread_from_the_first_shown_to_the_last(
    frames: int | None, shown: int, taken: list[int]
) -> None:
    assert list(row_3d(frames).take(shown)) == taken


def test_a_network_that_needs_more_frames_than_are_shown_gets_some_twice() -> None:
    assert row_3d(None, least=5).take(3) == (0, 0, 1, 1, 2)


@given(wanted=some.integers(2, 64), shown=some.integers(1, 64))
def test_taken_frames_ascend_and_reach_both_ends(wanted: int, shown: int) -> None:
    taken = row_3d(wanted).take(shown)
    assert len(taken) == wanted
    assert (taken[0], taken[-1]) == (0, shown - 1)
    assert all(0 <= b - a <= max(1, -(-(shown - 1) // (wanted - 1))) for a, b in itertools.pairwise(taken))


def test_padding_is_black_for_3d_networks_and_unseen_by_2d_ones() -> None:
    strategy = ClipStrategy.parse("shot8")
    assert clip_frames(row_3d(None), strategy, start=10, valid=3, frame=11) == [10, 11, 12, -1, -1, -1, -1, -1]
    assert clip_frames(row_3d(4), strategy, start=10, valid=8, frame=11) == [10, 12, 14, 17]
    assert clip_frames(ROWS["resnet50"], strategy, start=10, valid=3, frame=11) == [11]


def test_a_lower_frame_rate_shows_the_first_frame_of_every_step() -> None:
    strategy = ClipStrategy.parse("shot24-fps8")
    assert clip_frames(row_3d(None), strategy, start=100, valid=24, frame=103) == [
        100,
        103,
        106,
        109,
        112,
        115,
        118,
        121,
    ]
    # 7 valid frames hold the steps at 0, 3 and 6.
    assert clip_frames(row_3d(None), strategy, start=100, valid=7, frame=103) == [100, 103, 106, -1, -1, -1, -1, -1]


# Transforms.


def natural_frames(height: int, width: int, count: int = 2) -> np.ndarray:
    transform = Transform((height, width), (height, width), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    row = Row("made-up", "own", "made-up", 3, 4, transform, Weights("none", "none.pth"), count)
    return sample_clips(row, 2)[0]


@pytest.mark.parametrize("name", ["resnet50", "shufflenet_v2_x1_0", "r2plus1d_18", "swin3d_t", "s3d", "mvit_v2_s"])
def test_transforms_are_torchvisions_own(name: str) -> None:
    import torch
    from torchvision.models import get_weight

    frames = natural_frames(256, 455)
    row = ROWS[name]
    enum = {"resnet50": "ResNet50", "shufflenet_v2_x1_0": "ShuffleNet_V2_X1_0", "r2plus1d_18": "R2Plus1D_18"}
    enum |= {"swin3d_t": "Swin3D_T", "s3d": "S3D", "mvit_v2_s": "MViT_V2_S"}
    preset = get_weight(f"{enum[name]}_Weights.{row.weights.name}").transforms()
    published = preset(torch.from_numpy(frames).permute(0, 3, 1, 2))
    published = published if row.dimensions == 2 else published.permute(1, 0, 2, 3)

    ours = normalised(resize_and_crop(frames, row.transform), row.transform)
    assert ours.shape == tuple(published.shape)
    levels = np.abs(ours - published.numpy()) * 255 * np.array(row.transform.std)[:, None, None]
    assert levels.max() <= 1.01


def test_the_transform_of_a_timm_row_is_timms_own() -> None:
    import timm
    from PIL import Image

    row = ROWS["swin_tiny_patch4_window7_224.ms_in1k"]
    frames = natural_frames(256, 455)
    published = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=published_timm(row.model)))
    wanted = np.stack([published(Image.fromarray(frame)).numpy() for frame in frames])
    ours = normalised(resize_and_crop(frames, row.transform), row.transform)
    levels = np.abs(ours - wanted) * 255 * np.array(row.transform.std)[:, None, None]
    assert levels.max() <= 2.01
    assert (levels > 0.5).mean() < 0.005


def published_timm(model: str) -> dict:
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(model).to_dict()


def normalised(pixels: np.ndarray, transform: Transform) -> np.ndarray:
    """float (n, 3, height, width), worked out the plain way."""
    scaled = (pixels / 255 - np.array(transform.mean)) / np.array(transform.std)
    return scaled.transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("height", "width", "resized"),
    [(256, 455, (256, 455)), (272, 480, (256, 451)), (480, 272, (451, 256)), (100, 100, (256, 256))],
)
def test_the_short_side_is_resized_and_the_long_side_cut_down(
    height: int, width: int, resized: tuple[int, int]
) -> None:
    assert ROWS["resnet50"].transform.resized(height, width) == resized


def test_a_crop_larger_than_the_frame_is_filled_with_black() -> None:
    transform = Transform((4,), (6, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    cut = resize_and_crop(np.full((1, 4, 4, 3), 200, np.uint8), transform)
    assert cut.shape == (1, 6, 8, 3)
    assert cut[0, :, :, 0].tolist() == [[0] * 8, *[[0, 0, 200, 200, 200, 200, 0, 0]] * 4, [0] * 8]


# Names.


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("resnet5", "resnet50"),
        ("swin3d", "swin3d_t"),
        ("R2Plus1D_18", "r2plus1d_18"),
        ("efficientnet-lite0", "efficientnet_lite0"),
    ],
)
def test_a_wrong_name_lists_the_nearest_right_ones(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"no backbone is called '{wrong}'. The nearest are .*{near}"):
        find_row(wrong, NOWHERE)


def test_a_wrong_model_of_a_library_lists_the_nearest_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"timm:vit_base_patch14_dinov2\.lvd142m"):
        find_row("timm:vit_base_patch14_dinov2.lvd142", NOWHERE)
    with pytest.raises(ConfigError, match="torchvision:convnext_tiny"):
        find_row("torchvision:convnext_tny", NOWHERE)


@pytest.mark.parametrize(
    ("name", "features", "crop"),
    [
        ("timm:vit_base_patch14_dinov2.lvd142m", 768, (518, 518)),
        ("timm:vit_base_patch16_clip_224.openai", 768, (224, 224)),
        ("timm:vit_base_patch16_siglip_224.webli", 768, (224, 224)),
        ("torchvision:convnext_tiny", 768, (224, 224)),
        ("torchvision:squeezenet1_1", 512, (224, 224)),
        ("torchvision:vgg11", 4096, (224, 224)),
        ("torchvision:inception_v3", 2048, (299, 299)),
        ("torchvision:swin3d_t", 768, (224, 224)),
    ],
)
def test_any_model_of_a_library_is_a_row(name: str, features: int, crop: tuple[int, int]) -> None:
    row = find_row(name, NOWHERE)
    assert (row.name, row.features, row.transform.crop) == (name, features, crop)
    assert row.weights.url.startswith("https://")
    assert row_from(json.loads(json.dumps(row_values(row))), name) == row


@pytest.mark.parametrize("name", ["torchvision:convnext_tiny", "torchvision:squeezenet1_1", "timm:resnet18.a1_in1k"])
def test_a_model_of_a_library_gives_the_vectors_its_row_says(name: str) -> None:
    row = find_row(name, NOWHERE)
    vectors = Embedder(row, make_network(row, None), precision="float32", batch_clips=2)(sample_clips(row, 2))
    assert vectors.shape == (2, row.features)


def test_a_model_described_when_its_weights_were_fetched_needs_no_library(tmp_path: Path) -> None:
    row = find_row("torchvision:convnext_tiny", tmp_path)
    (tmp_path / row.weights.file).write_bytes(b"weights")
    weights_stage.write_lock(row, tmp_path, "0" * 64)
    script = (
        "import sys; from pathlib import Path; from trailers.backbones.rows import find_row; "
        f"row = find_row('torchvision:convnext_tiny', Path({str(tmp_path)!r})); "
        "assert row.features == 768; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("spoilt", ["{", "[]", '{"row": {"name": "x"}}', '{"row": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "torchvision-convnext_tiny.json").write_text(spoilt)
    with pytest.raises(WeightsError, match=r"torchvision-convnext_tiny\.json: .*snakemake weights"):
        find_row("torchvision:convnext_tiny", tmp_path)


def test_the_rows_can_be_read_without_torch() -> None:
    script = (
        "import sys, trailers.backbones.rows, trailers.backbones.weights, trailers.stages.embed; "
        "heavy = {'torch', 'torchvision', 'timm', 'pytorchvideo', 'av'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# A network of the user's own.

OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

robust = Row(
    "", "own", "robust", 2, 6, Transform((9,), (8, 8), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Weights("mine", "robust.pth"), make=build,
)
wrong = Row("", "own", "wrong", 2, 7, robust.transform, robust.weights, make=build)
number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "my_backbones.py"
    path.write_text(OWN)
    return path


def test_a_file_of_the_users_gives_a_row(own: Path) -> None:
    row = find_row(f"{own}:robust", NOWHERE)
    assert (row.name, row.features) == (f"{own}:robust", 6)
    assert row.code_sha256 == hashlib.sha256(OWN.encode()).hexdigest()
    vectors = Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))
    assert vectors.shape == (4, 6)


def test_a_row_whose_features_are_wrong_is_refused(own: Path) -> None:
    row = find_row(f"{own}:wrong", NOWHERE)
    with pytest.raises(ConfigError, match=r"gives \(6,\) for a clip where its row says \(7,\)"):
        Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))


@pytest.mark.parametrize(
    ("name", "words"),
    [("robst", "holds no Row with a make called 'robst', but robust, wrong"), ("number", "holds no Row with a make")],
)
def test_a_file_without_that_row_is_named(own: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_row(f"{own}:{name}", NOWHERE)


def test_a_missing_or_broken_file_is_named(own: Path) -> None:
    with pytest.raises(ConfigError, match="is no file"):
        find_row(f"{own.parent / 'other.py'}:robust", NOWHERE)
    own.write_text("1 / 0")
    with pytest.raises(ConfigError, match="stopped with ZeroDivisionError"):
        find_row(f"{own}:robust", NOWHERE)


# Weights.


def save(network_or_state: object, path: Path) -> Path:
    import torch

    torch.save(network_or_state, path)
    return path


def test_the_weights_that_come_with_the_installation_are_the_published_ones() -> None:
    row = ROWS["efficientnet_lite0"]
    found = weights_sha256(row, NOWHERE)
    assert found == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    network = make_network(row, NOWHERE)
    assert abs(float(network._conv_stem.weight[0, 0, 0, 0]) - float(stem_of_lite0())) == 0


@functools.cache
def stem_of_lite0() -> object:
    state = load_state(weights_path(ROWS["efficientnet_lite0"], NOWHERE))
    return state["_conv_stem.weight"][0, 0, 0, 0]


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"resnet50-0676ba61\.pth: the weights of resnet50 are not there. Run `snakemake"
    ):
        weights_sha256(ROWS["resnet50"], tmp_path)


def test_weights_without_a_link_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="okankop/Efficient-3DCNNs"):
        weights_sha256(ROWS["shufflenet3d"], tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a Git-LFS pointer"),
        (b"\n<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"", "is empty"),
        (b"PK\x03\x04 the first half of a checkpoint", "is damaged or cut off"),
    ],
)
def test_what_poses_as_weights_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=f"{words}.*snakemake weights"):
        weights_sha256(ROWS["resnet50"], tmp_path)


def hand_brought(name: str = "shufflenet3d") -> Row:
    return ROWS[name]


def published_state(classes: int) -> dict:
    """A checkpoint as Kopuklu et al. publish it."""
    import torch

    state = {f"module.{key}": value for key, value in shufflenet3d.build().state_dict().items()}
    state |= {
        "module.classifier.1.weight": torch.zeros(classes, 1024),
        "module.classifier.1.bias": torch.zeros(classes),
    }
    return {"epoch": 45, "arch": "shufflenetv2", "state_dict": state, "best_prec1": 0.5}


@pytest.mark.parametrize("classes", [400, 600])
def test_published_3d_shufflenet_checkpoints_load(tmp_path: Path, classes: int) -> None:
    import torch

    row = ROWS["shufflenet3d"]
    checkpoint = published_state(classes)
    save(checkpoint, tmp_path / row.weights.file)
    loaded = make_network(row, tmp_path).state_dict()
    wanted = checkpoint["state_dict"]
    assert set(wanted) - {f"module.{key}" for key in loaded} == {
        "module.classifier.1.weight",
        "module.classifier.1.bias",
    }
    assert all(torch.equal(value, wanted[f"module.{key}"]) for key, value in loaded.items())


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    row = ROWS["shufflenet3d"]
    save({"state_dict": {"weight": sample_state()}}, tmp_path / row.weights.file)
    with pytest.raises(WeightsError, match="is not a 3D ShuffleNetV2"):
        make_network(row, tmp_path)


def sample_state() -> object:
    import torch

    return torch.zeros(3)


def any_bytes(name: str) -> Row:
    """The row of that name, without the published digits: checkpoints for tests are made up."""
    row = find_row(name, NOWHERE)
    return dataclasses.replace(row, weights=dataclasses.replace(row.weights, sha256=""))


def whole_state(name: str) -> dict:
    """A checkpoint with the classifying layer, as each library publishes it, with other numbers than are drawn."""
    import timm
    import torch
    from pytorchvideo.models import hub
    from torchvision import models

    network = {
        "shufflenet_v2_x1_0": lambda: models.shufflenet_v2_x1_0(),
        "timm:resnet18.a1_in1k": lambda: timm.create_model("resnet18", num_classes=1000),
        "x3d_m": lambda: hub.x3d_m(pretrained=False),
    }[name]()
    generator = torch.Generator().manual_seed(3)
    return {
        key: torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }


def write_checkpoint(state: dict, path: Path) -> None:
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        save({"model_state": state, "cfg": "..."} if path.suffix == ".pyth" else state, path)


@pytest.mark.parametrize("name", ["shufflenet_v2_x1_0", "timm:resnet18.a1_in1k", "x3d_m"])
def test_published_checkpoints_of_every_library_load_whole_and_lose_their_head(tmp_path: Path, name: str) -> None:
    import torch

    row, state = any_bytes(name), whole_state(name)
    write_checkpoint(state, tmp_path / row.weights.file)
    loaded = make_network(row, tmp_path).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())
    missing = set(state) - set(loaded)
    assert len(missing) == 2, missing  # weight and bias of the classifying layer

    del state[next(key for key in loaded if key.endswith("weight"))]
    write_checkpoint(state, tmp_path / row.weights.file)
    with pytest.raises(WeightsError, match=f"does not fit {name}: .*snakemake weights"):
        make_network(row, tmp_path)


class Spy:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("import pathlib; pathlib.Path('spied').touch()",))


def test_weights_never_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = ROWS["shufflenet3d"]
    save({"state_dict": Spy()}, tmp_path / row.weights.file)
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        make_network(row, tmp_path)
    assert not (tmp_path / "spied").exists()


def test_damage_since_the_weights_were_fetched_is_noticed(tmp_path: Path) -> None:
    row = ROWS["shufflenet3d"]
    path = save(published_state(400), tmp_path / row.weights.file)
    found = weights_sha256(row, tmp_path)
    weights_stage.write_lock(row, tmp_path, found)
    assert weights_sha256(row, tmp_path) == found
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not the file that was fetched"):
        weights_sha256(row, tmp_path)


# Swin3D in pieces.


def pieces_by_hand(size: tuple[int, int, int], window: tuple[int, int, int], shift: tuple[int, int, int]) -> set:
    """The sets of tokens that see each other, read off torchvision's own mask and windows."""
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
def test_pieces_are_the_tokens_that_see_each_other_in_torchvision(
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
        if "bias" in name:  # zero or nearly so as initialised, which would hide their misplacement
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    pixels = torch.randn(clips, 3, frames, 84, 84, generator=torch.Generator().manual_seed(frames))
    with torch.inference_mode():
        wanted = published(pixels)
        found = speed_up(copy.deepcopy(published))(pixels)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=0, atol=1e-5 * float(wanted.abs().max()))


# Precision, batches, memory.


def test_a_precision_that_changes_vectors_too_much_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from trailers.backbones import network as room

    class Cancels(torch.nn.Module):
        """A difference of nearly equal numbers: bfloat16 leaves nothing of it."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            means = x.mean(dim=(2, 3)) * self.weight
            return ((1000 + means) - 1000)[:, :3]

    row = Row("cancels", "own", "cancels", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    monkeypatch.setattr(room, "reduced_precision", lambda device: "bfloat16")
    assert Embedder(row, Cancels()).precision == "float32"

    class Means(Cancels):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3)) * self.weight

    kept = Embedder(row, Means())
    assert kept.precision == "bfloat16"
    assert 0.9995 <= kept.worst_cosine <= 1


def test_out_of_memory_halves_the_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    import torch

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return x.mean(dim=(2, 3))

    row = Row("greedy", "own", "greedy", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    embedder = Embedder(row, Greedy(), precision="float32", batch_clips=8)
    clips = sample_clips(row, 7)
    found = embedder(clips)
    assert embedder.batch_clips == 2
    assert "out of memory on cpu, going on with 4 clips a batch" in caplog.text
    np.testing.assert_array_equal(found, Embedder(row, Greedy(), precision="float32", batch_clips=2)(clips))


def test_a_clip_that_does_not_fit_alone_is_the_machines_trouble() -> None:
    import torch

    class Full(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    row = Row("full", "own", "full", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    with pytest.raises(SystemicError, match="not even one clip fits"):
        Embedder(row, Full(), precision="float32", batch_clips=2)(sample_clips(row))


@pytest.mark.parametrize(
    ("name", "precision"), [("efficientnet_lite0", "auto"), ("resnet50", "auto"), ("shufflenet3d", "auto")]
)
def test_a_clips_vector_is_the_same_to_the_last_bit_whatever_its_neighbours(name: str, precision: str) -> None:
    row = ROWS[name]
    embedder = Embedder(row, make_network(row, None), precision=precision, batch_clips=4)
    clips = sample_clips(row, 4, shown_frames=SHOWN)
    alone = embedder(clips[:1])[0]
    others = [np.stack([clips[i] for i in order]) for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 0, 1])]
    for batch, place in zip(others, (0, 3, 2), strict=True):
        np.testing.assert_array_equal(embedder(batch)[place], alone)


def test_convolutions_on_a_gpu_are_told_to_be_exact_and_the_process_is_left_as_it_was() -> None:
    import torch

    def told() -> tuple[bool, ...]:
        cudnn = torch.backends.cudnn
        return cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark

    seen = []

    class Looks(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(told())
            return x.mean(dim=(2, 3))

    before = told()
    row = Row("looks", "own", "looks", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    Embedder(row, Looks(), precision="float32")(sample_clips(row, 1))
    assert seen == [(True, False, True, False)]
    assert told() == before


@pytest.mark.slow
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50", "r2plus1d_18", "swin3d_t"])
def test_a_gpu_gives_the_vectors_of_a_processor(name: str) -> None:
    row = ROWS[name]
    network = make_network(row, None)
    clips = sample_clips(row, 4, shown_frames=SHOWN)
    wanted = Embedder(row, network, precision="float32", batch_clips=4)(clips)
    exact = Embedder(row, network, device="cuda", precision="float32", batch_clips=4)
    np.testing.assert_allclose(exact(clips), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_array_equal(exact(clips), exact(clips))

    fast = Embedder(row, network, device="cuda", batch_clips=2)
    flying = [fast.start(clips[:2]), fast.start(clips[2:])]
    found = np.concatenate([wait() for wait in flying])
    np.testing.assert_array_equal(found, fast(clips))
    assert cosines(wanted, found).min() >= 0.999


def test_cosines_are_those_of_pairs() -> None:
    left = np.array([[1, 0], [3, 4], [1, 1]], np.float32)
    right = np.array([[2, 0], [4, 3], [-1, -1]], np.float32)
    np.testing.assert_allclose(cosines(left, right), [1, 0.96, -1])
