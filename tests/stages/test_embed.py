"""The embed stage: what a run over a shard makes, shares, leaves alone and refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.embeddings import read_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import FAILED, OK, SKIPPED, LedgerRow, read_ledger, write_ledger
from trailers.store.spans import CLIPS_SCHEMA, write_spans
from trailers.video import VideoFrames, encode_frames

SHARD = "s0000"

# A 2D and a 3D network small enough for every test. Vectors are means of brightness, so that the
# expected vector of a clip can be computed from its frames.
OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build(three):
    import torch
    class Means(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(4))
        def forward(self, x):
            x = x.mean(dim=(1, -1, -2))          # (N,) or (N, T): brightness of each frame
            x = x[:, None] if x.ndim == 1 else x
            return torch.stack([x.mean(1), x[:, 0], x[:, -1], x.max(1).values], dim=1) * self.scale
    return Means()

transform = Transform((16, 16), (16, 16), (0.0, 0.0, 0.0), (1 / 255,) * 3)
flat = Row("", "own", "flat", 2, 4, transform, Weights("made up", "means.pth"), make=lambda: build(False), batch_cpu=5)
weights = Weights("made up", "means.pth")
deep = Row("", "own", "deep", 3, 4, transform, weights, None, make=lambda: build(True), batch_cpu=3)
"""


def shot_strategy_clips() -> list[Clip]:
    return [
        Clip(0, 0, 8, 0, 3),
        Clip(0, 8, 12, 4, 9),
        Clip(1, 12, 20, 0, 19),
        Clip(1, 20, 28, 0, 20),
        Clip(2, 30, 31, 7),
    ]


class Results:
    """A results folder with trailers at 24 fps and their clips."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / "results")
        (folder / "mine.py").write_text(OWN)
        self.backbones = [f"{folder / 'mine.py'}:flat", f"{folder / 'mine.py'}:deep"]

    def add(self, trailer: str, *, frames: int = 36, strategy: str = "shot8", clips: Sequence[Clip] = ()) -> None:
        if not self.layout.video(trailer).exists():
            seed = sum(trailer.encode())
            levels = [np.full((32, 48, 3), (seed + 5 * n) % 200 + 16, np.uint8) for n in range(frames)]
            encode_frames(self.layout.video(trailer), levels, width_px=48, height_px=32, fps=24, fingerprint="0" * 16)
        header = {"trailer": trailer, "frames": frames, "fingerprint": f"{strategy}-{trailer}"}
        path = self.layout.clips(strategy, trailer)
        write_spans(path, clips or shot_strategy_clips(), kind=Clip, header=header, schema=CLIPS_SCHEMA)

    def shard(self, *trailers: str, strategies: Sequence[str] = ("shot8",), skipped: Sequence[str] = ()) -> None:
        path = self.layout.shard(SHARD)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{trailer}\n" for trailer in trailers))
        for strategy in strategies:
            rows = [LedgerRow(t, SKIPPED, error="gone") if t in skipped else LedgerRow(t, OK) for t in trailers]
            write_ledger(self.layout.ledger("clips", SHARD, strategy), rows)

    def ledger(self, backbone: str, strategy: str = "shot8") -> Path:
        return self.layout.ledger("embed", SHARD, strategy, backbone)

    def words(
        self,
        *flags: str,
        strategies: Sequence[str] = ("shot8",),
        backbones: Sequence[str] = (),
        pairs: Sequence[tuple[str, str]] | None = None,
        one: str = "",
    ) -> list[str]:
        """The command line that makes ``pairs``, or all pairs."""
        backbones = backbones or self.backbones
        ledgers = [str(self.ledger(b, s)) for s in strategies for b in backbones if pairs is None or (s, b) in pairs]
        which = ["--trailer", one] if one else ["--shard", str(self.layout.shard(SHARD)), "--ledger", *ledgers]
        what = ["--results", str(self.layout.root), "--clips", *strategies, "--backbones", *backbones]
        options = ["--random-weights", "true", "--precision", "float32", "--device", "cpu"]
        return ["embed", *which, *what, *options, *flags]

    def embed(self, *flags: str, **which: Any) -> int:
        return main(self.words(*flags, **which))

    def files(self) -> dict[Path, tuple[int, bytes]]:
        found = (self.layout.root / "embed").rglob("*.h5")
        return {path.relative_to(self.layout.root): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def brightness(results: Results, trailer: str) -> np.ndarray:
    """float64 (frames,): mean level of each decoded frame."""
    with VideoFrames(results.layout.video(trailer)) as video:
        return video.batch(range(len(video))).mean(axis=(1, 2, 3))


def test_vectors_are_those_of_the_frames_of_each_clip(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    assert results.embed() == 0
    level = brightness(results, "alpha")

    flat, clips, _ = read_embedding(results.layout.embedding("shot8", results.backbones[0], "alpha"))
    np.testing.assert_allclose(flat[:, 0], level[[3, 9, 19, 20, 30]], atol=0.5)

    deep, clips, _ = read_embedding(results.layout.embedding("shot8", results.backbones[1], "alpha"))
    assert clips.tolist() == [[0, 0, 8, 0], [0, 8, 12, 4], [1, 12, 20, 0], [1, 20, 28, 0], [2, 30, 31, 7]]
    np.testing.assert_allclose(deep[:, 1], level[[0, 8, 12, 20, 30]], atol=0.5)  # first frame
    np.testing.assert_allclose(
        deep[:, 2], [level[7], 0, level[19], level[27], 0], atol=0.5
    )  # last frame; padding is black
    means = [level[0:8].mean(), level[8:12].sum() / 8, level[12:20].mean(), level[20:28].mean(), level[30] / 8]
    np.testing.assert_allclose(deep[:, 0], means, atol=0.5)


@pytest.mark.usefixtures("gpu")
def test_the_stage_gives_the_same_vectors_on_a_gpu(results: Results) -> None:
    for trailer in ("alpha", "beta"):
        results.add(trailer)
    results.shard("alpha", "beta")
    paths = [
        results.layout.embedding("shot8", name, trailer) for name in results.backbones for trailer in ("alpha", "beta")
    ]
    vectors = []
    for device in ("cpu", "cuda", "cuda"):
        assert results.embed("--device", device) == 0
        vectors.append([read_embedding(path)[0] for path in paths])
        for path in paths:
            path.unlink()
    on_cpu, on_gpu, again = vectors
    for one, other, third in zip(on_cpu, on_gpu, again, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)
        np.testing.assert_array_equal(other, third)


def test_a_lower_frame_rate_shows_every_kth_frame(results: Results) -> None:
    clips = [Clip(0, 0, 8, 0, 4), Clip(0, 8, 13, 3, 12)]
    results.add("alpha", strategy="shot8-fps6", clips=clips)
    results.shard("alpha", strategies=["shot8-fps6"])
    assert results.embed(strategies=["shot8-fps6"], backbones=results.backbones[1:]) == 0
    vectors, _, attributes = read_embedding(results.layout.embedding("shot8-fps6", results.backbones[1], "alpha"))
    level = brightness(results, "alpha")
    # Step 4: frames 0 and 4; 8 and 12, where 13 to 15 are padding that is never shown.
    np.testing.assert_allclose(vectors[:, 0], [level[[0, 4]].mean(), level[[8, 12]].mean()], atol=0.5)
    assert (attributes["frames_a_clip"], attributes["fps"]) == (2, 6)


def test_a_file_records_everything_needed_to_trace_it(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    path = results.layout.embedding("shot8", results.backbones[1], "alpha")
    with h5py.File(path, "r") as file:
        assert file.attrs["schema"] == "trailer-embeddings/2"
        assert file["vectors"].dtype == np.float32
        assert file["vectors"].fletcher32
        attributes = dict(file.attrs)
    wanted = {"trailer": "alpha", "backbone": results.backbones[1], "F": 4, "clip_strategy": "shot8", "fps": 24}
    wanted |= {
        "weights": "random, seed 0",
        "weights_sha256": "random-seed-0",
        "precision": "float32",
        "frames_a_clip": 8,
    }
    wanted |= {"transform": "resize 16x16 (bilinear, antialias), centre crop 16x16, (x / 255 - (0.0, 0.0, 0.0)) / "
               "(0.00392156862745098, 0.00392156862745098, 0.00392156862745098)"}  # fmt: skip
    assert {key: attributes[key] for key in wanted} == wanted
    assert set(attributes) - set(wanted) == {
        "schema", "source_sha256", "fingerprint", "versions", "input_size", "frames_wanted", "licence",
        "resized_short_side",
    }  # fmt: skip
    assert "torch" in attributes["versions"]


def test_a_shard_gives_a_ledger_for_every_pair(results: Results) -> None:
    for trailer in ("alpha", "beta"):
        results.add(trailer)
    results.shard("alpha", "beta", "gone", skipped=["gone"])
    assert results.embed() == 0
    for backbone in results.backbones:
        rows = read_ledger(results.ledger(backbone))
        assert [(row.trailer, row.status) for row in rows.values()] == [("alpha", OK), ("beta", OK), ("gone", SKIPPED)]
        assert rows["alpha"].facts == {"clips": 5, "F": 4, "precision": "float32"}
        assert (results.layout.root / rows["alpha"].path).is_file()


def test_existing_products_are_kept_and_the_ledger_is_the_same(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    files, ledger = results.files(), results.ledger(results.backbones[0]).read_bytes()
    results.ledger(results.backbones[0]).unlink()
    assert results.embed() == 0
    assert results.files() == files
    assert results.ledger(results.backbones[0]).read_bytes() == ledger


def test_another_backbone_or_strategy_changes_only_its_own_files(results: Results) -> None:
    for strategy in ("shot8", "seq4"):
        results.add("alpha", strategy=strategy, clips=[Clip(0, 4 * n, 4 * n + 4, 0) for n in range(9)])
    results.shard("alpha", strategies=["shot8", "seq4"])
    results.embed(backbones=results.backbones[:1])
    before = results.files()
    results.embed(strategies=["shot8", "seq4"])
    after = results.files()
    assert len(after) == 4
    assert {path: after[path] for path in before} == before


def test_only_the_pairs_whose_ledgers_are_named_are_made(results: Results) -> None:
    for strategy in ("shot8", "seq8"):
        results.add("alpha", strategy=strategy)
    results.shard("alpha", strategies=["shot8", "seq8"])
    flat, deep = results.backbones
    assert results.embed(strategies=["shot8", "seq8"], pairs=[("shot8", flat), ("seq8", deep)]) == 0
    assert sorted(path.parts[1] for path in results.files()) == ["seq8", "shot8"]
    assert results.layout.embedding("seq8", deep, "alpha").exists()


def test_a_ledger_of_another_pair_is_refused(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("alpha")
    results.shard("alpha")
    words = results.words()
    place = words.index("--ledger") + 1
    assert main([*words[:place], str(results.ledger("resnet50")), *words[place:]]) == 1
    assert "is not the ledger of a pair of --clips and --backbones" in capsys.readouterr().err


def test_all_pairs_share_one_decoding(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    batch = VideoFrames.batch
    monkeypatch.setattr(VideoFrames, "batch", lambda self, indices: read.extend(indices) or batch(self, indices))
    for strategy in ("shot8", "seq8"):
        results.add("alpha", strategy=strategy)
    results.shard("alpha", strategies=["shot8", "seq8"])
    assert results.embed(strategies=["shot8", "seq8"]) == 0
    # Frames 28 and 29 are not in a clip; the others are read once for four products.
    assert sorted(read) == [*range(28), 30]


def test_2d_networks_decode_only_the_representative_frames(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    batch = VideoFrames.batch
    monkeypatch.setattr(VideoFrames, "batch", lambda self, indices: read.extend(indices) or batch(self, indices))
    results.add("alpha")
    results.shard("alpha")
    results.embed(backbones=results.backbones[:1])
    assert sorted(read) == [3, 9, 19, 20, 30]


def test_long_trailers_are_read_in_blocks_without_losing_a_frame(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trailers.embedding import blocks, decoding

    results.add("alpha")
    results.shard("alpha")
    results.embed()
    whole = results.files()
    sizes: list[int] = []
    batch = VideoFrames.batch
    monkeypatch.setattr(VideoFrames, "batch", lambda self, indices: sizes.append(len(indices)) or batch(self, indices))
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 10)
    monkeypatch.setattr(decoding, "DECODED_BYTES", 32 * 48 * 3 * 4)
    for path in whole:
        (results.layout.root / path).unlink()
    results.embed()
    assert max(sizes) == 4
    assert {path: content for path, (_, content) in results.files().items()} == {
        path: content for path, (_, content) in whole.items()
    }


@pytest.mark.parametrize("flags", [["--workers", "0"], ["--workers", "3"]])
def test_the_number_of_workers_does_not_change_the_vectors(results: Results, flags: list[str]) -> None:
    for trailer in ("alpha", "beta", "gamma"):
        results.add(trailer)
    results.shard("alpha", "beta", "gamma")
    results.embed("--workers", "1")
    before = {path: content for path, (_, content) in results.files().items()}
    for path in before:
        (results.layout.root / path).unlink()
    results.embed(*flags)
    assert {path: content for path, (_, content) in results.files().items()} == before


def test_a_resumed_shard_gives_the_same_bytes_as_an_uninterrupted_one(results: Results) -> None:
    trailers = ["alpha", "beta", "gamma", "delta"]
    for trailer in trailers:
        results.add(trailer)
    results.shard(*trailers)
    results.embed()
    undisturbed = {path: content for path, (_, content) in results.files().items()}
    # The state after a kill in the middle of a shard: complete first trailers, a partial temporary file, no ledger.
    for backbone in results.backbones:
        for trailer in trailers[1:]:
            results.layout.embedding("shot8", backbone, trailer).unlink()
        results.layout.embedding("shot8", backbone, "beta").with_name(".tmp-1-00-beta.h5").write_bytes(b"torn")
        results.ledger(backbone).unlink()
    before = results.files()
    results.embed()
    after = {path: content for path, content in results.files().items() if not path.name.startswith(".tmp")}
    assert {path: content for path, (_, content) in after.items()} == undisturbed
    done = [path for path in before if not path.name.startswith(".tmp")]
    assert {path: after[path] for path in done} == {path: before[path] for path in done}


def test_a_killed_run_leaves_complete_files_and_the_next_run_makes_the_others(results: Results) -> None:
    trailers = [f"trailer{n}" for n in range(6)]
    for trailer in trailers:
        results.add(trailer)
    results.shard(*trailers)
    script = (
        "import os, signal, sys\nfrom trailers.store import embeddings\nfrom trailers.embedding import batches\n"
        "made, write = [], batches.write_embedding\n"
        "def dying(path, *rest):\n    write(path, *rest); made.append(path)\n"
        "    if len(made) == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "batches.write_embedding = dying\nfrom trailers.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, *results.words()], capture_output=True, check=False)
    assert killed.returncode == -9
    before = results.files()
    assert len(before) == 5
    assert not results.ledger(results.backbones[0]).exists()
    assert results.embed() == 0
    after = results.files()
    assert len(after) == 12
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("damage", ["cut", "flip", "other schema", "other fingerprint"])
def test_a_damaged_or_outdated_file_is_made_again(results: Results, damage: str) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    path = results.layout.embedding("shot8", results.backbones[0], "alpha")
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flip":
        with h5py.File(path, "r") as file:
            place = file["vectors"].id.get_chunk_info(0).byte_offset
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    else:
        with h5py.File(path, "r+") as file:
            file.attrs["schema" if damage == "other schema" else "fingerprint"] = "another"
    assert results.embed() == 0
    vectors, _, _ = read_embedding(path)
    assert path.read_bytes() == whole or damage.startswith("other")
    assert vectors.shape == (5, 4)
    assert read_embedding(path)[2]["fingerprint"] != "another"


def test_changed_clips_settings_or_code_are_embedded_again(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    path = results.layout.embedding("shot8", results.backbones[0], "alpha")
    first = read_embedding(path)[2]["fingerprint"]
    results.embed("--precision", "auto")
    second = read_embedding(path)[2]["fingerprint"]
    (results.folder / "mine.py").write_text(OWN + "\n# a changed file may be a changed network\n")
    results.embed()
    third = read_embedding(path)[2]["fingerprint"]
    header = {"trailer": "alpha", "frames": 36, "fingerprint": "changed"}
    write_spans(results.layout.clips("shot8", "alpha"), [Clip(0, 0, 8, 0), Clip(0, 8, 16, 0)], kind=Clip, header=header,
                schema=CLIPS_SCHEMA)  # fmt: skip
    results.embed()
    vectors, _, attributes = read_embedding(path)
    assert len({first, second, third, attributes["fingerprint"]}) == 4
    assert len(vectors) == 2


def test_one_bad_trailer_never_stops_the_others(results: Results) -> None:
    for trailer in ("alpha", "beta", "gamma", "delta"):
        results.add(trailer)
    results.layout.video("beta").write_bytes(b"no video")
    results.layout.clips("shot8", "gamma").write_text("no clips")
    results.shard("alpha", "beta", "gamma", "delta")
    assert results.embed() == 0
    for backbone in results.backbones:
        rows = read_ledger(results.ledger(backbone))
        assert [row.status for row in rows.values()] == [OK, FAILED, FAILED, OK]
        assert "beta.mp4: is damaged" in rows["beta"].error
        assert "gamma.csv" in rows["gamma"].error


def test_clips_beyond_the_end_of_the_video_are_reported(results: Results) -> None:
    results.add("alpha", clips=[Clip(0, 0, 8, 0), Clip(0, 32, 40, 0)])
    results.add("beta")
    results.shard("alpha", "beta")
    assert results.embed() == 0
    row = read_ledger(results.ledger(results.backbones[1]))["alpha"]
    assert row.status == FAILED
    assert "has 36 frames, but the clips need frame 39. Rerun the clips stage." in row.error


def test_vectors_that_are_all_the_same_are_refused(results: Results) -> None:
    results.add("alpha", clips=[Clip(0, 0, 8, 0, 3), Clip(0, 0, 8, 0, 3)])
    results.add("beta")
    results.shard("alpha", "beta")
    results.embed()
    row = read_ledger(results.ledger(results.backbones[0]))["alpha"]
    assert (row.status, "all 2 vectors are the same" in row.error) == (FAILED, True)


def test_one_trailer_by_name_makes_every_pair_and_no_ledger(results: Results) -> None:
    results.add("alpha")
    assert results.embed(one="alpha") == 0
    assert len(results.files()) == 2
    assert not (results.layout.root / "ledger" / "embed").exists()


def test_missing_weights_name_the_command(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("alpha")
    results.shard("alpha")
    assert results.embed("--random-weights", "false", "--weights-dir", str(results.folder), backbones=["resnet50"]) == 1
    words = capsys.readouterr().err
    assert "resnet50-0676ba61.pth: the weights of resnet50 are missing. Run `snakemake weights`" in words


def test_a_finished_shard_does_not_load_torch(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    script = (
        "import sys; from trailers.__main__ import main; assert main(sys.argv[1:]) == 0; "
        "heavy = {'torch', 'av', 'timm', 'torchvision'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script, *results.words()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 up to date, 0 to make" in done.stderr


@pytest.mark.slow
def test_in_reduced_precision_the_bytes_of_a_trailer_do_not_depend_on_the_other_trailers(results: Results) -> None:
    names = ["resnet50", "shufflenet3d"]
    for trailer in ("alpha", "beta", "gamma"):
        results.add(trailer)
    results.shard("alpha", "beta", "gamma")
    results.embed("--precision", "auto", "--batch-clips", "4", backbones=names)
    together = {name: results.layout.embedding("shot8", name, "beta").read_bytes() for name in names}
    for name in names:
        results.layout.embedding("shot8", name, "beta").unlink()
    results.embed("--precision", "auto", "--batch-clips", "4", backbones=names, one="beta")
    assert {name: results.layout.embedding("shot8", name, "beta").read_bytes() for name in names} == together


@pytest.mark.slow
def test_efficientnet_lite0_distinguishes_real_shots(results: Results, shared_data: Path) -> None:
    """With the published weights, clips of one shot are nearer to each other than to clips of other shots."""
    import av

    with av.open(str(shared_data / "videos" / "sintel_trailer_480x204.mp4")) as container:
        frames = [
            frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(video=0), range(700), strict=False)
        ]
    encode_frames(results.layout.video("sintel"), frames, width_px=480, height_px=204, fps=24, fingerprint="0" * 16)
    starts = [342, 366, 462, 486, 596, 612]  # two clips of each of three shots
    clips = [Clip(n // 2, start, start + 8, 0) for n, start in enumerate(starts)]
    results.add("sintel", frames=len(frames), clips=clips)
    results.shard("sintel")
    flags = ["--random-weights", "false", "--weights-dir", str(results.folder)]
    assert results.embed(*flags, backbones=["efficientnet_lite0"]) == 0
    vectors, _, attributes = read_embedding(results.layout.embedding("shot8", "efficientnet_lite0", "sintel"))
    assert (attributes["weights"], attributes["weights_sha256"][:8]) == ("ImageNet-1K", "57934424")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert vectors.shape == (6, 1280)
    np.fill_diagonal(likeness, -1)
    assert likeness.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]
