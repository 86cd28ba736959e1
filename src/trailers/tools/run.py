"""Run the pipeline in this folder: snakemake with the project's Snakefile, also if the package is installed.

    trailers run demo --cores all
    trailers run --cores 16 --resources gpu=4

Everything after `run` is passed to Snakemake. In a checkout, `snakemake` beside the Snakefile does the same, except
that this command checks the files of --configfile first: Snakemake ends with a traceback if one is not UTF-8.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from trailers.errors import ConfigError
from trailers.project import project_file
from trailers.yaml_file import is_template, read_yaml

CONFIG_FLAGS = ("--configfile", "--configfiles")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="targets and flags of snakemake")


def snakemake_words(words: Sequence[str]) -> list[str]:
    """``words`` after ``--``, without which argparse would take Snakemake's flags for its own."""
    return list(words) if words[:1] in (["-h"], ["--help"]) else ["--", *words]


def run(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("snakemake") is None:
        remedy = "Install it: pip install 'trailers[workflow]'."
        raise ConfigError("the pipeline needs the package snakemake, which is not installed", remedy=remedy)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    for path in config_files(words):
        if not (path.is_file() and is_template(path)):
            read_yaml(path)
    words = ["-m", "snakemake", "--snakefile", str(project_file("Snakefile")), *words]
    os.execv(sys.executable, [sys.executable, *words])


def config_files(words: Sequence[str]) -> Iterator[Path]:
    """The files that follow --configfile, up to the next flag."""
    is_file = False
    for word in words:
        flag, equals, value = word.partition("=")
        if word.startswith("-"):
            is_file = word in CONFIG_FLAGS
            if equals and flag in CONFIG_FLAGS:
                yield Path(value)
        elif is_file:
            yield Path(word)
