"""Weights on disk: missing, damaged, of another network, and valid ones."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest

from trailers.backbones import shufflenet3d
from trailers.backbones.network import make_network
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS, find_row
from trailers.backbones.weights import known_weights, load_state, weights_path, weights_sha256
from trailers.errors import WeightsError
from trailers.tools import weights as weights_stage

NOWHERE = Path("no-such-folder")


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
        WeightsError, match=r"resnet50-0676ba61\.pth: the weights of resnet50 are missing. Run `snakemake"
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
        (b"PK\x03\x04 the first half of a checkpoint", "is damaged or truncated"),
    ],
)
def test_a_file_that_is_not_weights_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=f"{words}.*snakemake weights"):
        weights_sha256(ROWS["resnet50"], tmp_path)


def put_there_by_the_user(name: str = "shufflenet3d") -> Row:
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
    """The row of that name without the published digest, for the invented checkpoints of tests."""
    row = find_row(name, NOWHERE)
    return dataclasses.replace(row, weights=dataclasses.replace(row.weights, sha256=""))


def whole_state(name: str) -> dict:
    """A checkpoint with the classifying layer, as each library publishes it, with values unlike the random weights."""
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
def test_published_checkpoints_of_every_library_load_completely_without_their_head(tmp_path: Path, name: str) -> None:
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


def test_weights_damaged_after_the_download_are_detected(tmp_path: Path) -> None:
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


def test_a_file_in_place_of_the_folder_of_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("")
    with pytest.raises(WeightsError, match=r"weights: is not a directory, .*config\.yaml, embed\.weights_dir"):
        known_weights(tmp_path / "weights", "resnet50")
