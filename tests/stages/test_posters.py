"""The posters stage: what a run over a shard makes from images, leaves alone and refuses."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import workflow_lab as lab
from backbone_lab import MEANS
from trailers.__main__ import main
from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.rows import find_row, is_2d
from trailers.errors import ConfigError, ImageError, StoreError
from trailers.store.embeddings import read_poster, write_poster
from trailers.store.image import open_image, read_image
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, LedgerRow, read_ledger, write_ledger
from trailers.store.receipt import Receipt, write_receipt

SHARD = "s0000"

OWN = MEANS + 'deep = Row("", "own", "deep", 3, 3, transform, weights, None, make=build)\n'


class Results:
    """A results folder with posters as `download --posters` writes them."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder / "results")
        (folder / "mine.py").write_text(OWN)
        self.backbone = f"{folder / 'mine.py'}:flat"
        self.layout.poster_folder().mkdir(parents=True)

    def add(self, trailer: str, image: Image.Image, suffix: str = "png", **options: Any) -> Path:
        path = self.layout.poster_folder() / f"{trailer}.{suffix}"
        image.save(path, **options)
        self.receive(trailer, path)
        return path

    def receive(self, trailer: str, path: Path) -> None:
        receipt = Receipt(trailer, OK, path.name, sha256(path.read_bytes()).hexdigest(), "0" * 16)
        write_receipt(self.layout.poster_receipt(trailer), receipt)

    @property
    def ledger(self) -> Path:
        return self.layout.ledger("posters", SHARD, self.backbone)

    def embed(self, *trailers: str, without: tuple[str, ...] = (), backbone: str = "", flags: tuple[str, ...] = ()):
        """Run the stage over a shard; returns the exit status."""
        shard, upstream = self.layout.shard(SHARD), self.layout.ledger("posters", SHARD)
        shard.parent.mkdir(parents=True, exist_ok=True)
        shard.write_text("".join(f"{trailer}\n" for trailer in (*trailers, *without)))
        rows = [LedgerRow(trailer, OK) for trailer in trailers]
        write_ledger(upstream, [*rows, *(LedgerRow(name, SKIPPED, error="no poster") for name in without)])
        files = ["--shard", str(shard), "--upstream", str(upstream), "--ledger", str(self.ledger)]
        where = ["--results", str(self.layout.root), "--backbone", backbone or self.backbone]
        options = ["--random-weights", "true", "--precision", "float32", "--device", "cpu", *flags]
        return main(["posters", *files, *where, *options])

    def vector(self, trailer: str) -> np.ndarray:
        return read_poster(self.layout.poster(self.backbone, trailer))[0][0]

    def times(self) -> dict[str, int]:
        return {path.stem: path.stat().st_mtime_ns for path in self.layout.poster_folder().glob("*/*.h5")}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def plain(*colour: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (40, 60), colour)


def test_a_poster_becomes_the_vector_of_its_pixels(results: Results) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 40, 3), np.uint8)
    results.add("noise", Image.fromarray(pixels))
    halves = Image.new("RGB", (32, 48), "black")
    halves.paste((200, 100, 0), (0, 24, 32, 48))
    results.add("halves", halves)
    assert results.embed("noise", "halves") == 0

    # With short side 16 the picture has 16x24 px; the crop takes the 16 lines in the centre: 8 black, 8 coloured.
    np.testing.assert_allclose(results.vector("halves"), [100, 50, 0], atol=0.5)

    row = find_row(results.backbone, Path("none"))
    embedder = Embedder(row, make_network(row, None), precision="float32")
    np.testing.assert_array_equal(results.vector("noise"), embedder(resized(pixels))[0])


def resized(pixels: np.ndarray) -> np.ndarray:
    """uint8 (1, 1, 16, 16, 3) of an image of 40x60 px, by torchvision's transform of uint8 tensors."""
    import torch
    from torchvision.transforms import v2

    there = v2.CenterCrop(16)(v2.Resize(16, antialias=True)(torch.from_numpy(pixels).permute(2, 0, 1)))
    return there.permute(1, 2, 0).numpy()[None, None]


def test_a_file_records_everything_needed_to_trace_it(results: Results) -> None:
    path = results.add("one", plain(1, 2, 3))
    results.embed("one")
    with h5py.File(results.layout.poster(results.backbone, "one")) as file:
        assert file["vectors"].shape == (1, 3)
        assert file["vectors"].dtype == np.float32
        assert file["vectors"].fletcher32
        found = dict(file.attrs)
    expected = {
        "schema": "trailer-poster/1", "trailer": "one", "backbone": results.backbone, "F": 3, "precision": "float32",
        "weights": "random, seed 0", "weights_sha256": "random-seed-0",
        "source_sha256": sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    about = {"frames_wanted", "input_size", "licence", "resized_short_side"}
    assert set(found) - set(expected) == {"transform", "fingerprint", "versions", *about}
    row = read_ledger(results.ledger)["one"]
    assert (row.path, row.fingerprint) == ("posters/" + results.layout.poster(results.backbone, "one").parent.name +
                                           "/one.h5", found["fingerprint"])  # fmt: skip
    assert row.facts == {"F": 3, "precision": "float32"}


def test_a_second_run_makes_nothing_and_later_only_a_changed_poster_is_made_again(results: Results) -> None:
    names = ("a", "b", "c")
    for n, name in enumerate(names):
        results.add(name, plain(n, 0, 0))
    results.embed(*names)
    before, ledger = results.times(), results.ledger.read_bytes()
    results.ledger.unlink()
    assert results.embed(*names) == 0
    assert results.times() == before
    assert results.ledger.read_bytes() == ledger
    results.add("b", plain(77, 0, 0))
    results.embed(*names)
    after = results.times()
    assert [name for name in names if after[name] != before[name]] == ["b"]
    np.testing.assert_allclose(results.vector("b"), [77, 0, 0], atol=1e-3)


def test_another_precision_makes_all_again(results: Results) -> None:
    results.add("a", plain(1, 0, 0))
    results.embed("a")
    before = results.times()
    results.embed("a", flags=("--precision", "auto"))
    assert results.times() != before


def test_a_damaged_poster_is_reported_and_the_others_are_embedded(results: Results) -> None:
    for name in ("a", "gone", "changed", "cut", "z"):
        results.add(name, plain(9, 9, 9))
    (results.layout.poster_folder() / "gone.png").unlink()
    (results.layout.poster_folder() / "changed.png").write_bytes(b"another")
    cut = results.layout.poster_folder() / "cut.png"
    cut.write_bytes(cut.read_bytes()[:-30])
    results.receive("cut", cut)
    assert (
        results.embed("a", "gone", "changed", "cut", "z", without=("none",), flags=("--max-failed-fraction", "1")) == 0
    )
    rows = read_ledger(results.ledger)
    expected = {"a": OK, "gone": FAILED, "changed": FAILED, "cut": DEAD, "z": OK, "none": SKIPPED}
    assert {name: row.status for name, row in rows.items()} == expected
    assert rows["changed"].error.startswith(
        f"poster embedding: {results.layout.poster_folder() / 'changed.png'}: does not match its"
    )
    assert rows["cut"].error.endswith("cut.png: image file is truncated. Name another image in the manifest, "
                                      "column poster.")  # fmt: skip
    assert sorted(results.times()) == ["a", "z"]


def test_one_trailer_by_name(results: Results) -> None:
    results.add("a", plain(1, 2, 3))
    words = ["--results", str(results.layout.root), "--backbone", results.backbone, "--random-weights", "true"]
    assert main(["posters", "--trailer", "a", *words]) == 0
    np.testing.assert_allclose(results.vector("a"), [1, 2, 3], atol=0.02)
    assert not results.ledger.exists()


def test_a_3d_backbone_is_refused(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("a", plain(1, 2, 3))
    assert results.embed("a", backbone="swin3d_t") == 1
    assert "swin3d_t: is a 3D backbone and needs clips, but a poster is one picture." in capsys.readouterr().err


# Images


def half_seen() -> Image.Image:
    return plain(200, 100, 50, 128, mode="RGBA")


def palette(**transparency: int) -> Image.Image:
    image = Image.new("P", (40, 60), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.info.update(transparency)
    return image


def deep_grey() -> Image.Image:
    return Image.fromarray(np.full((60, 40), 0x4D12, np.uint16))


IMAGES = {
    "palette": (palette, "png", (10, 200, 30)),
    "transparent palette": (lambda: palette(transparency=1), "png", (0, 0, 0)),
    "gif": (palette, "gif", (10, 200, 30)),
    "alpha": (half_seen, "png", (100, 50, 25)),
    "alpha webp": (half_seen, "webp", (100, 50, 25)),
    "grey": (lambda: plain(77, mode="L"), "jpg", (77, 77, 77)),
    "16-bit grey": (deep_grey, "png", (0x4D, 0x4D, 0x4D)),
    "two levels": (lambda: plain(1, mode="1"), "png", (255, 255, 255)),
    "cmyk": (lambda: plain(255, 0, 0, 0, mode="CMYK"), "jpg", (0, 255, 255)),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_every_image_mode_gives_the_displayed_colours(kind: str, tmp_path: Path) -> None:
    make, suffix, colour = IMAGES[kind]
    path = tmp_path / f"x.{suffix}"
    make().save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = read_image(path)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (60, 40, 3))
    np.testing.assert_allclose(pixels.reshape(-1, 3).astype(int), np.full((2400, 3), colour), atol=1)


def test_a_photo_is_rotated_as_its_exif_orientation_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 40), "black")
    image.paste("red", (0, 0, 30, 40))  # on the left; after a clockwise rotation it is at the top
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    image.save(tmp_path / "x.jpg", exif=exif, quality=95)
    pixels = read_image(tmp_path / "x.jpg")
    assert pixels.shape == (60, 40, 3)
    assert pixels[:25, :, 0].min() > 240
    assert pixels[35:, :, 0].max() < 15


REFUSED = {
    "another format": (lambda path: plain(1, 2, 3).save(path, "BMP"), "cannot identify"),
    "text": (lambda path: path.write_text("<html>"), "cannot identify"),
    "nothing": (lambda path: path.touch(), "cannot identify"),
    "a bomb": (lambda path: Image.new("1", (10_000, 10_000)).save(path, "PNG"), "decompression bomb"),
    "a strip": (lambda path: Image.new("L", (1, 5000)).save(path, "PNG"), "is a strip of 1x5000 px"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_not_an_image_is_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    write, words = REFUSED[kind]
    write(tmp_path / "x.png")
    with pytest.raises(ImageError, match=words) as problem:
        open_image(tmp_path / "x.png")
    assert str(problem.value).startswith(f"{tmp_path / 'x.png'}: ")
    assert problem.value.dead


def test_vectors_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="NaN or infinity"):
        write_poster(tmp_path / "x.h5", np.full((1, 3), np.nan, np.float32), {})
    assert not list(tmp_path.iterdir())


# Which backbones


def test_video_models_of_torchvision_are_recognised_without_loading_it() -> None:
    from torchvision import models

    from trailers.backbones.torchvision import VIDEO

    assert sorted(VIDEO) == models.list_models(module=models.video)


def test_planning_knows_which_backbones_take_pictures(results: Results, tmp_path: Path) -> None:
    names = {
        "resnet50": True, "swin3d_t": False, "slow_r50": False, "timm:any": True, "torchvision:convnext_tiny": True,
        "torchvision:mvit_v1_b": False, results.backbone: True, results.backbone.replace("flat", "deep"): False,
    }  # fmt: skip
    assert {name: is_2d(name, tmp_path) for name in names} == names
    with pytest.raises(ConfigError, match="The nearest are resnet50"):
        is_2d("resnet5", tmp_path)


# The workflow


@pytest.mark.slow
def test_the_posters_of_a_manifest_are_made_once_by_the_studys_2d_backbones(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    for n in (0, 1, 4):
        plain(n, 0, 0).save(tmp_path / f"p{n}.png")
    rows = [f"t{n},none.mp4,{poster}" for n, poster in enumerate(("p0.png", "p1.png", "", "", "p4.png", "gone.png"))]
    (tmp_path / "manifest.csv").write_text("\n".join(["trailer,url,poster", *rows]) + "\n")
    (tmp_path / "bare.csv").write_text("\n".join(["trailer,url", *(f"t{n},none.mp4" for n in range(6))]) + "\n")
    experiment = "experiments={default: {clips: shot24, backbones: ['mine.py:flat'], aggregation: transformer}}"
    embed = "embed={backbones: ['mine.py:flat', 'mine.py:deep'], random_weights: true}"
    config = ("--config", "shard_size=2", experiment, embed)

    jobs = lab.planned(tmp_path, *config)  # of three shards, one has no poster
    assert {rule: count for rule, count in jobs.items() if "poster" in rule} == {
        "download_posters": 2, "embed_posters": 2,
    }  # fmt: skip
    assert not [rule for rule in lab.planned(tmp_path, *config, "manifest=bare.csv") if "poster" in rule]

    lab.snakemake(tmp_path, "posters", *config)
    made = sorted(path.stem for path in tmp_path.glob("results/posters/*/*.h5"))
    assert made == ["t0", "t1", "t4"]
    vectors, _ = read_poster(tmp_path / "results/posters/mine.py-flat/t4.h5")
    np.testing.assert_allclose(vectors, [[4, 0, 0]], atol=0.02)
    assert lab.planned(tmp_path, *config, "--", "posters") == {}

    one = "results/posters/mine.py-flat/t1.h5"
    (tmp_path / one).unlink()
    lab.snakemake(tmp_path, one, *config)  # by its file name, alone
    assert (tmp_path / one).is_file()
