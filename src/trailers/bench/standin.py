"""A stage's place in the workflow without its science: a small file a trailer, then the ledger.

Called as `python` by the rules of a scale benchmark, with the words of the real command:

    -m trailers lease -- python -m trailers shots --shard L --upstream U --ledger O ...
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from trailers.store.atomic import write_text
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, Row, read_ledger, write_ledger
from trailers.store.shards import read_shard

DEAD_EVERY, FAILED_EVERY = 40, 240  # of 12,000 links 300 are dead and 50 fail at first


def main(words: Sequence[str]) -> None:
    started = time.perf_counter()
    words = words[2:]  # -m trailers
    if words[0] == "lease":
        words = words[words.index("--") + 4 :]  # -- python -m trailers
    stage = words[0]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--shard", type=Path)
    parser.add_argument("--upstream", type=Path)
    parser.add_argument("--ledger", type=Path, nargs="+")
    parser.add_argument("--output", type=Path)
    arguments, _ = parser.parse_known_args(words[1:])
    if arguments.shard:
        for ledger in arguments.ledger:
            work(stage, arguments.shard, arguments.upstream, ledger)
        took = time.perf_counter() - started
        write_text(Path("work") / stage / f"{arguments.shard.stem}.json", json.dumps({"work_s": took}))
    elif arguments.output.suffix:
        write_text(arguments.output, "stand-in\n")
    else:
        write_text(arguments.output / "metrics.json", "{}\n")


def work(stage: str, shard: Path, upstream: Path | None, ledger: Path) -> None:
    before = read_ledger(upstream) if upstream else {}
    rows = []
    for trailer in read_shard(shard):
        number = int(trailer.removeprefix("tt"))
        if trailer in before and before[trailer].status != OK:
            rows.append(Row(trailer, SKIPPED, error=before[trailer].error))
        elif stage == "download" and number % DEAD_EVERY == 0:
            rows.append(Row(trailer, DEAD, error="download: removed: stand-in"))
        elif stage == "download" and number % FAILED_EVERY == 1:
            rows.append(Row(trailer, FAILED, error="download: network: stand-in"))
        else:
            path = Path("results") / stage / f"{trailer}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("stand-in\n")
            rows.append(Row(trailer, OK, f"{stage}/{path.name}", "0" * 16, {"frames": 2931}))
    write_ledger(ledger, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
