"""Run the pipeline in this folder: snakemake with the project's own Snakefile, wherever that is installed.

    trailers run demo --cores all
    trailers run --cores 16 --resources gpu=4

Everything after `run` is Snakemake's. In a checkout, `snakemake` beside the Snakefile does the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

from trailers.errors import ConfigError
from trailers.project import project_file


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="targets and flags of snakemake")


def snakemake_words(words: Sequence[str]) -> list[str]:
    """``words`` so that argparse leaves Snakemake's flags alone: without a target before them it would read them."""
    return list(words) if words[:1] in (["-h"], ["--help"]) else ["--", *words]


def run(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("snakemake") is None:
        raise ConfigError("the pipeline needs the package snakemake", remedy="pip install 'trailers[workflow]'.")
    asked = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    words = ["-m", "snakemake", "--snakefile", str(project_file("Snakefile")), *asked]
    os.execv(sys.executable, [sys.executable, *words])
