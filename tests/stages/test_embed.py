"""The vectors of the embed stage: those of the frames of each clip, for any number of workers and any batches."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from embed_lab import Results, brightness
from trailers.domain import Clip
from trailers.store.embeddings import read_embedding
from trailers.store.ledger import FAILED, read_ledger
from trailers.video import VideoFrames, encode_frames


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


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
