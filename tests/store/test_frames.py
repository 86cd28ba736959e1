import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailers.errors import StoreError
from trailers.store.frames import (
    AHEAD_BLOCKS,
    BLOCK,
    FramesAhead,
    from_differences,
    open_frames,
    to_differences,
    write_frames,
)


def noise(frames, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 27, 48, 3), dtype=np.uint8)


@pytest.fixture
def stored(tmp_path):
    """500 frames of noise, two blocks and a part, and their file."""
    frames, path = noise(500), tmp_path / "t.frames.h5"
    with write_frames(path) as writer:
        writer.append(frames)
        writer.describe({"trailer": "t", "fingerprint": "f" * 16, "frames_dropped": 3})
    return frames, path


@settings(max_examples=15)
@given(st.lists(st.integers(0, 700), max_size=4))
def test_frames_written_in_any_portions_are_read_back(tmp_path_factory, portions):
    frames, path = noise(sum(portions)), tmp_path_factory.mktemp("frames") / "t.frames.h5"
    with write_frames(path) as writer:
        for end, portion in zip(np.cumsum(portions), portions, strict=True):
            writer.append(frames[end - portion : end])
        assert len(writer) == len(frames)
        writer.describe({})
    with open_frames(path) as read:
        assert len(read) == len(frames)
        assert (read.read(0, len(frames)) == frames).all()


@pytest.mark.parametrize(
    ("start", "end"), [(0, 0), (0, 1), (499, 500), (239, 241), (240, 480), (5, 500), (0, 500), (500, 500)]
)
def test_any_range_is_read(stored, start, end):
    frames, path = stored
    with open_frames(path) as read:
        assert (read.read(start, end) == frames[start:end]).all()


def test_ranges_are_read_in_any_order(stored):
    frames, path = stored
    with open_frames(path) as read:
        for start, end in [(400, 500), (0, 24), (230, 260), (0, 24), (480, 481)]:
            assert (read.read(start, end) == frames[start:end]).all()


def test_frames_that_were_read_can_be_modified(stored):
    frames, path = stored
    with open_frames(path) as read:
        read.read(0, 10)[:] = 0
        assert (read.read(0, 10) == frames[:10]).all()


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 501), (4, 3)])
def test_frames_outside_the_file_are_refused(stored, start, end):
    with open_frames(stored[1]) as read, pytest.raises(StoreError, match="has 500 frames"):
        read.read(start, end)


def test_attributes_come_back_as_plain_values(stored):
    with open_frames(stored[1]) as read:
        assert read.attributes == {
            "schema": "trailer-frames/2",
            "trailer": "t",
            "fingerprint": "f" * 16,
            "frames_dropped": 3,
        }
        assert type(read.attributes["frames_dropped"]) is int


def test_differences_wrap_around():
    frames = np.zeros((3, 27, 48, 3), np.uint8)
    frames[1] = (255, 10, 20)
    frames[2] = (0, 250, 0)
    planes = to_differences(frames)
    # R - G is 0, 245, -250; G 0, 10, 250; B - G 0, 10, -250; each minus the one before it, modulo 256.
    assert planes[:, :, 0, 0].tolist() == [[0, 245, 17], [0, 10, 240], [0, 10, 252]]
    assert (from_differences(planes) == frames).all()


def test_a_still_picture_takes_almost_no_space(tmp_path):
    with write_frames(tmp_path / "t.frames.h5") as writer:
        writer.append(np.repeat(noise(1), 2400, axis=0))
        writer.describe({})
    # Ten blocks of one frame of noise, 3.9 kB each, and their runs; uncompressed, 9.3 MB.
    assert (tmp_path / "t.frames.h5").stat().st_size < 120_000


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        with write_frames(tmp_path / name) as writer:
            writer.append(noise(300))
            writer.describe({"frames": 300, "trailer": "t"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_no_file(tmp_path):
    def fail():
        with write_frames(tmp_path / "t.frames.h5") as writer:
            writer.append(noise(BLOCK + 1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 48, 27, 3), np.uint8), np.zeros((2, 27, 48, 3), np.float32), np.zeros((27, 48, 3), np.uint8)]
)
def test_only_frames_of_the_right_shape_and_type_are_accepted(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected uint8"), write_frames(tmp_path / "t") as writer:
        writer.append(wrong)


def test_the_message_for_a_missing_file_names_the_command_to_run(tmp_path):
    with pytest.raises(StoreError, match="Run the normalise stage first"), open_frames(tmp_path / "t"):
        pass


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_truncated_file_is_damaged(stored, share):
    path = stored[1]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(StoreError, match="is damaged"), open_frames(path) as read:
        read.read(0, len(read))


def test_a_flipped_byte_is_noticed(stored):
    frames, path = stored
    data = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        place = file["differences"].id.get_chunk_info_by_coord((0, 240, 0, 0)).byte_offset
    data[place + 200_000] ^= 1
    path.write_bytes(bytes(data))
    with open_frames(path) as read:
        assert (read.read(0, 240) == frames[:240]).all()
        with pytest.raises(StoreError, match="is damaged"):
            read.read(240, 480)


def test_another_schema_is_refused(tmp_path):
    with h5py.File(tmp_path / "t", "w") as file:
        file.attrs["schema"] = "trailer-frames/1"
        file["frames"] = noise(1)
    with pytest.raises(StoreError, match="schema is 'trailer-frames/1'"), open_frames(tmp_path / "t"):
        pass


@pytest.mark.parametrize("step", [50, 240, 700])
def test_reading_ahead_gives_the_same_frames(tmp_path, step):
    frames, path = noise(1500), tmp_path / "t.frames.h5"
    with write_frames(path) as writer:
        writer.append(frames)
        writer.describe({})
    ahead = FramesAhead(path, len(frames))
    for start in range(0, 1500, step):  # overlapping, as windows are
        end = min(1500, start + step + 50)
        assert (ahead.read(start, end) == frames[start:end]).all()
    for start in (1300, 10, 700):  # in any order, like windows that are computed again
        assert (ahead.read(start, start + 100) == frames[start : start + 100]).all()
    assert len(ahead.blocks) <= 1 + 1 + AHEAD_BLOCKS


@pytest.mark.parametrize("place", [10, -3])
def test_a_block_that_is_damaged_is_named_when_it_is_read(stored, place):
    frames, path = stored
    with h5py.File(path, "r") as file:
        info = file["differences"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[info.byte_offset + place % info.size] ^= 0xFF
    path.write_bytes(content)
    ahead = FramesAhead(path, len(frames))
    assert (ahead.read(0, 100) == frames[:100]).all()
    with pytest.raises(StoreError, match="is damaged"):
        ahead.read(200, 300)
    with open_frames(path) as whole, pytest.raises(StoreError, match="is damaged"):
        whole.read(200, 300)
