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

from trailers.errors import ConfigError
from trailers.project import project_file


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="targets and flags of snakemake")


def run(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("snakemake") is None:
        raise ConfigError("the pipeline needs the package snakemake", remedy="pip install 'trailers[workflow]'.")
    words = ["-m", "snakemake", "--snakefile", str(project_file("Snakefile")), *arguments.words]
    os.execv(sys.executable, [sys.executable, *words])
