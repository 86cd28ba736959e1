"""Run one stage or tool of the pipeline; `COMMAND --help` describes it."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from trailers import __version__
from trailers.errors import TrailerError
from trailers.machine.terminal import write_to_terminal
from trailers.machine.threads import wait_without_spinning
from trailers.machine.trouble import of_path, systemic
from trailers.stages import registry
from trailers.store import failures

# Name -> one line of help. A module of that name in the room has add_flags and run; stages are in their registry.
REPORTING = {
    "report": "tables and figures of a run",
    "tables": "Tables 2 to 6 of the paper with our numbers beside the printed ones",
    "figures": "Figures 2, 3, 4, 8, 9 and 10 of the paper",
    "browse": "write the list of all trailers, and add titles, neighbours and predictions to their pages",
    "publish": "write results as a data set: Parquet, CSV, Croissant, data card",
}
TOOLS = {
    "run": "run the pipeline in this folder: snakemake with the project's own Snakefile",
    "titles": "choose movie titles from IMDb's published tables",
    "candidates": "write the candidates of all searches as one table",
    "review": "choose the trailer of each title in a browser",
    "manifest": "write a manifest from a folder, a list of links, or the Trailers12k files",
    "splits": "make three splits of a manifest by second-order iterative stratification",
    "synthetic": "make synthetic embeddings with a known signal",
    "exclude": "list the trailers that quality flags exclude from training",
    "predict": "predict the genres of new trailers with a trained experiment",
    "find": "list the clips that are nearest to a text",
    "zero-shot": "score genres of trailers by prompts, without training",
    "demo": "make the videos of the demo",
    "doctor": "check that this machine has everything a run needs",
    "lease": "run a command with one GPU reserved for it",
    "evaluate": "compare detected shots with labelled ones",
    "verify": "check every product on disk",
    "trace": "trace one vector back to its frames, source, weights and settings",
    "status": "show the progress of a run and the time left",
    "retry": "mark failed or dead trailers for another attempt",
    "backbones": "list the backbones",
    "weights": "fetch and check weights",
    "export": "write embeddings as zarr, in the published layout, or as one packed file",
    "archives": "fetch and check the published labels and embeddings of Trailers12k",
    "import": "read published embeddings for the classifier",
}

# Commands whose name cannot be the name of a module.
MODULES = {"import": "importing", "zero-shot": "zero_shot"}


def all_commands() -> dict[str, tuple[str, str]]:
    """Command -> its one line of help and the module behind it; stages first, in running order."""
    rooms = {"reporting": REPORTING, "tools": TOOLS}
    found = registry.commands()
    for room, commands in rooms.items():
        found |= {name: (text, f"trailers.{room}.{MODULES.get(name, name)}") for name, text in commands.items()}
    return found


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(prog="python -m trailers", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = {name: commands.add_parser(name, help=text, add_help=False) for name, (text, _) in all_commands().items()}
    return parser, known


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    wait_without_spinning()
    parser, known = make_parser()
    if not words or words[0] not in known:
        parser.parse_args(words)  # prints help or an error, and exits
    module = importlib.import_module(all_commands()[words[0]][1])
    stage = argparse.ArgumentParser(
        prog=f"python -m trailers {words[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = None
    try:
        module.add_flags(stage)
        # All words after `run` are for Snakemake.
        prepared = getattr(module, "snakemake_words", list)(words[1:])
        arguments = stage.parse_args(prepared)
        status = int(module.run(arguments) or 0)
    except TrailerError as problem:
        return fail(arguments, str(problem))
    except OSError as problem:
        folders = [getattr(arguments, name, None) for name in ("output", "results")]
        found = systemic(problem, *(folder for folder in folders if isinstance(folder, Path))) or of_path(problem)
        if found is None:
            raise
        return fail(arguments, str(found))
    except KeyboardInterrupt:
        print("error: interrupted; finished products are kept, run the same command to continue.", file=sys.stderr)
        return 130
    if status == 0:
        failures.clear_failure(arguments)
    return status


def fail(arguments: argparse.Namespace | None, sentence: str) -> int:
    """Print why the command failed, also at the terminal if stderr is a log, and keep it for `status`.

    Returns the exit status.
    """
    if arguments is not None:
        failures.record_failure(arguments, sentence)
    write_to_terminal(f"error: {sentence}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
