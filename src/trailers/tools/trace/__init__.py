"""Trace one vector back to its frames, their source, its weights and settings, and compare these with the disk.

in   results/embed/{clips}/{backbone}/{trailer}.h5, and the trailer's other products, as far as they exist
out  text on the screen; with --show a picture of the frames that the network saw

    trailers trace results/embed/shot24/resnet50/tt0133093.h5 --clip 7
    trailers trace tt0133093 shot24 resnet50 --clip 7 --verify

--verify embeds the clip again; exit status 1 if the vector differs by more than reduced precision allows.
A backbone in a file of your own runs only if config.yaml or --own-backbones names it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from trailers.backbones.rows import find_row, is_of_library
from trailers.config import defaults
from trailers.errors import ConfigError
from trailers.plan.studies import plan_here
from trailers.store.layout import Layout
from trailers.tools.trace.again import embed_again, show
from trailers.tools.trace.sections import sections
from trailers.tools.trace.vector import read_vector

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="FILE.h5", help="an embedding; or its trailer, clip strategy and backbone"
    )
    parser.add_argument("--clip", type=int, required=True, metavar="N", help="number of the clip, from 0")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="default: the folder that contains FILE.h5, or results"
    )
    parser.add_argument("--show", type=Path, metavar="OUT.png", help="draw the frames that the network saw")
    parser.add_argument("--verify", action="store_true", help="embed the clip again and compare")
    parser.add_argument(
        "--own-backbones",
        nargs="+",
        default=[],
        metavar="FILE.py:ROW",
        help="files of your own that may run as backbones",
    )


def run(arguments: argparse.Namespace) -> int:
    vector = read_vector(*place_of(arguments), arguments.clip)
    may_run = may_be_run(vector.backbone, arguments.own_backbones)
    row = find_row(vector.backbone, Path(defaults("embed")["weights_dir"])) if may_run else None
    for name, lines in sections(vector, row):
        for number, line in enumerate(lines):
            # Attributes and links may come from anybody, and a terminal obeys control characters.
            print(f"{name if number == 0 else '':<14} {CONTROL.sub('?', line)}".rstrip())
    if not (arguments.show or arguments.verify):
        return 0
    if row is None:
        raise ConfigError(
            f"{vector.backbone} is a file of your own, which is not run unless you name it",
            remedy="Name it with --own-backbones.",
        )
    if arguments.show:
        show(vector, row, arguments.show)
        print(f"{'picture':<14} {arguments.show}")
    if not arguments.verify:
        return 0
    words, is_same = embed_again(vector)
    print(f"{'again':<14} {words}")
    return 0 if is_same else 1


def place_of(arguments: argparse.Namespace) -> tuple[Path, Layout]:
    """The embedding, and the results folder that it belongs to. Raises ConfigError."""
    if len(arguments.what) == 3:
        from trailers.api.results import open_results

        trailer, strategy, backbone = arguments.what
        results = open_results(arguments.results or "results")
        return results.embedding(trailer, strategy, backbone), results.layout
    if len(arguments.what) != 1:
        raise ConfigError(
            f"got {len(arguments.what)} arguments", where="trace",
            remedy="Give a file, or a trailer, a clip strategy and a backbone.",
        )  # fmt: skip
    path = Path(arguments.what[0])
    root = root_of(path) or root_of(path.resolve())
    return path, Layout(arguments.results or root or Path("results"))


def root_of(path: Path) -> Path | None:
    """The results folder that contains an embedding; None if the path does not show it."""
    folders = path.parents
    return folders[3] if len(folders) > 3 and folders[2].name == "embed" else None


def may_be_run(backbone: str, own_names: list[str]) -> bool:
    """Whether the code of this backbone may run; the embedding that names it may come from somebody else."""
    if is_of_library(backbone) or backbone in own_names:
        return True
    return backbone in {name for _, name in plan_here().pairs}
