"""List the backbones: what they are, what they cost, and whether their weights are present.

in   the built-in backbones, or those that you name; the weights folder
out  a table: name, library, F, frames, input size, parameters, multiply-adds per clip and for 30 clips, weights

If names are given, the other known facts of each backbone follow: pooling, head, frame rate of the training.

Frames: the number of frames that the network takes of a clip of --clips. Multiply-adds include the products of
attention. Table 6 of the paper counts parameters with its classifier, which adds 0.398 million.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS, find_row
from trailers.backbones.weights import weights_sha256
from trailers.config import defaults
from trailers.domain import ClipStrategy
from trailers.errors import MissingWeightsError, WeightsError

COLUMNS = ("name", "library", "paper", "F", "frames", "input", "M params", "+ classifier", "G madds", "x 30", "weights")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", help="names, such as timm:vit_base_patch14_dinov2.lvd142m (default: all built-in ones)"
    )
    parser.add_argument("--clips", type=ClipStrategy.parse, default="shot24", help="clip strategy (shot24)")
    parser.add_argument("--plain", action="store_true", help="do not count parameters and multiply-adds (faster)")
    default = defaults("embed").get("weights_dir", "weights")
    parser.add_argument("--weights-dir", type=Path, default=Path(default), help=f"folder of the weights ({default})")


def run(arguments: argparse.Namespace) -> None:
    rows = [find_row(name, arguments.weights_dir) for name in arguments.names or ROWS]
    strategy = ClipStrategy.parse(str(arguments.clips))
    lines = [list(COLUMNS)]
    lines += [describe(row, strategy.shown_frames, arguments.weights_dir, plain=arguments.plain) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if arguments.names:
        for row in rows:
            print("\n" + "\n".join(fact_lines(row)))


def fact_lines(row: Row) -> list[str]:
    """One line per fact, named like the attributes of embedding files."""
    facts = {"transform": str(row.transform), **row.facts()}
    return [
        row.name,
        *(f"  {key}: {value:,}" if isinstance(value, int) else f"  {key}: {value}" for key, value in facts.items()),
    ]


def describe(row: Row, shown: int, weights_dir: Path, *, plain: bool) -> list[str]:
    size = "x".join(map(str, row.transform.crop))
    costs = ["", "", "", ""]
    if not plain:
        from trailers.backbones.cost import cost_of

        cost = cost_of(row, shown_frames=shown)
        with_classifier, for_snippet = cost.table_6
        costs = [
            f"{cost.parameters / 1e6:.2f}",
            f"{with_classifier:.1f}",
            f"{cost.multiply_adds / 1e9:.3f}",
            f"{for_snippet:.1f}",
        ]
    frames = str(row.wanted_frames(shown))
    return [
        row.name,
        row.library,
        row.paper,
        str(row.features),
        frames,
        size,
        *costs,
        state_of_weights(row, weights_dir),
    ]


def state_of_weights(row: Row, weights_dir: Path) -> str:
    """Whether the weights are present, missing or damaged, for the last column."""
    try:
        return f"here: {row.weights.name}, sha256 {weights_sha256(row, weights_dir)[:8]}, {row.weights.licence}"
    except MissingWeightsError:
        return f"missing: {row.weights.name}"
    except WeightsError:
        return f"damaged: {row.weights.name}"
