"""Decoding workers that are processes give the same frames as threads, and end with their job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from embedding.conftest import Shard, row_of
from trailers.embedding.blocks import Block, blocks_of
from trailers.embedding.pairs import Pair
from trailers.embedding.readers import Readers, Reading, readers_for
from trailers.errors import SystemicError

# A job whose two workers have started and wait for more work.
JOB = """
import sys, time, multiprocessing
from pathlib import Path
from trailers.backbones.row import Transform
from trailers.embedding.blocks import Block
from trailers.embedding.readers import Readers
import numpy as np

if __name__ == "__main__":
    transform = Transform((16,), (16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    indices = np.array([0])
    readers = Readers(2, apart=True, geometries=[transform.geometry])
    block = Block([], Path(sys.argv[1]), indices, {transform.geometry: (transform, indices)})
    for pending in [readers.start(block) for _ in range(2)]:
        assert pending.wait()[transform.geometry].shape == (1, 16, 16, 3)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(600)
"""


def frames_of(pairs: list[Pair], *, apart: bool) -> list[tuple[list[int], list[np.ndarray]]]:
    """The frames of every block, by number, in each geometry."""
    with readers_for(pairs, 2, apart=apart) as readers:
        found = []
        for block, decoded in Reading(blocks_of(pairs), readers):
            assert not isinstance(decoded, Exception), decoded
            found.append((block.indices.tolist(), [frames.copy() for frames in decoded.values()]))
        return found


def test_processes_give_the_same_frames_as_threads(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    from trailers.embedding import blocks

    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 6)  # so that slots are reused
    for trailer in ("alpha", "beta"):
        shard.add(trailer)
    # Two geometries, one of which needs a resize, and sparse frames as well as whole clips.
    rows = [row_of("deep", 3, size=32, crop=16), row_of("flat", 2, size=20, crop=20)]
    pairs = [shard.pair(row, "alpha", "beta") for row in rows]
    together = frames_of(pairs, apart=False)
    apart = frames_of(pairs, apart=True)
    assert [indices for indices, _ in apart] == [indices for indices, _ in together]
    assert len(apart) == 10  # in five slots
    for (_, one), (_, other) in zip(apart, together, strict=True):
        assert [frames.shape for frames in one] == [frames.shape for frames in other]
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_damaged_video_gives_the_same_message_from_a_process_and_a_thread(shard: Shard) -> None:
    shard.add("alpha")
    shard.layout.video("alpha").write_bytes(b"no video")
    pairs = [shard.pair(row_of("flat", 2), "alpha")]
    for apart in (False, True):
        with readers_for(pairs, 1, apart=apart) as readers:
            ((_, problem),) = Reading(blocks_of(pairs), readers)
        assert "alpha.mp4: is damaged" in str(problem)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_job(shard: Shard, tmp_path: Path, end: signal.Signals) -> None:
    shard.add("alpha")
    script = tmp_path / "job.py"
    script.write_text(JOB)
    with subprocess.Popen([sys.executable, script, shard.layout.video("alpha")], stdout=subprocess.PIPE) as job:
        assert job.stdout is not None
        workers = [psutil.Process(int(number)) for number in job.stdout.readline().split()]
        assert len(workers) == 2
        job.send_signal(end)
        job.wait(timeout=20)
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive


def test_a_worker_whose_parent_has_already_ended_ends_too() -> None:
    code = "from trailers.machine.lifeline import end_with; end_with(1 + __import__('os').getppid()); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


DEATH = "a decoding worker died, probably because memory ran out. Finished products are kept. Use fewer workers"


def signal_workers(readers: Readers, number: signal.Signals) -> None:
    pool: Any = readers.pool
    workers = [psutil.Process(pid) for pid in pool._processes]
    for worker in workers:
        os.kill(worker.pid, number)
    if number == signal.SIGKILL:
        psutil.wait_procs(workers, timeout=20)


def test_a_dead_worker_is_reported_in_one_sentence_when_frames_are_awaited(shard: Shard) -> None:
    shard.add("alpha")
    pairs = [shard.pair(row_of("flat", 2), "alpha")]
    (block,) = blocks_of(pairs)
    with readers_for(pairs, 1, apart=True) as readers:
        readers.start(block).wait()
        signal_workers(readers, signal.SIGSTOP)
        pending = readers.start(block)
        signal_workers(readers, signal.SIGKILL)
        with pytest.raises(SystemicError, match=DEATH):
            pending.wait()


def test_a_dead_worker_is_reported_in_one_sentence_when_frames_are_requested(shard: Shard) -> None:
    shard.add("alpha")
    pairs = [shard.pair(row_of("flat", 2), "alpha")]
    (block,) = blocks_of(pairs)
    with readers_for(pairs, 1, apart=True) as readers:
        readers.start(block).wait()
        signal_workers(readers, signal.SIGKILL)
        with pytest.raises(SystemicError, match=DEATH):
            start_until_refused(readers, block)


def start_until_refused(readers: Readers, block: Block) -> None:
    """Submit tasks until the pool has noticed the dead worker, which takes a moment."""
    for _ in range(1000):
        readers.start(block).release()
        time.sleep(0.01)


def test_decoding_in_a_process_does_not_import_torch_if_nothing_is_resized(shard: Shard) -> None:
    shard.add("alpha")
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from trailers.backbones.row import Transform\nfrom trailers.embedding import decoding, workers\n"
        "transform, indices = Transform((32,), (16, 16), (0.0,) * 3, (1.0,) * 3), np.array([0, 5])\n"
        "wanted = {transform.geometry: (transform, indices)}\n"
        "found = decoding.decode(Path(sys.argv[1]), indices, wanted, decoding.room_for(wanted))\n"
        "assert found[transform.geometry].shape == (2, 16, 16, 3)\n"
        "assert not {'torch', 'torchvision', 'timm'} & set(sys.modules)"
    )
    words = [sys.executable, "-c", code, str(shard.layout.video("alpha"))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
