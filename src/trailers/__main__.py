"""python -m trailers STAGE ...: every stage by hand, or from a rule."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from trailers import __version__
from trailers.errors import MACHINE, TrailerError

# Name -> one line of help. A module of that name in one of the rooms below has add_flags and run.
STAGES = {
    "download": "get the videos as published",
    "normalise": "re-encode to constant 24 fps, keep the frames that detection needs",
    "shots": "find shots with TransNet V2",
    "clips": "cut shots into clips of equal length",
    "embed": "turn clips into vectors with 2D and 3D backbones",
    "posters": "turn posters into vectors with 2D backbones",
    "pack": "put the embeddings of all trailers into one file for training",
    "classify": "train and test a genre classifier",
}
REPORTING = {
    "report": "tables and figures of a run",
    "tables": "Tables 2 to 6 of the paper with our numbers beside the printed ones",
    "figures": "Figures 2, 3, 8 and 10 of the paper",
}
TOOLS = {
    "manifest": "write a manifest from a folder, a list of links, or the Trailers12k files",
    "splits": "make three splits of a manifest by second-order iterative stratification",
    "synthetic": "make synthetic embeddings with a known signal",
    "predict": "tell the genres of new trailers with a trained experiment",
    "demo": "make the demo's videos",
    "doctor": "look whether this machine has all it needs",
    "lease": "run a command with a GPU of its own",
    "evaluate": "compare detected shots with labelled ones",
    "verify": "check every product on disk",
    "status": "how far a run is, and how long it will take",
    "retry": "ask for another try of what failed or is dead",
    "backbones": "list the backbones",
    "weights": "fetch and check weights",
    "export": "write embeddings in the layout of the published ones, or packed",
    "import": "read published embeddings for the classifier",
}

ROOMS = {"stages": STAGES, "reporting": REPORTING, "tools": TOOLS}

# Where the command's name cannot be a module's.
MODULES = {"import": "importing"}


def module_of(command: str) -> str:
    """Full name of the module behind a command."""
    room = next(room for room, commands in ROOMS.items() if command in commands)
    return f"trailers.{room}.{MODULES.get(command, command)}"


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(prog="python -m trailers", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = {
        name: commands.add_parser(name, help=text, add_help=False)
        for name, text in (STAGES | REPORTING | TOOLS).items()
    }
    return parser, known


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    parser, known = make_parser()
    if not words or words[0] not in known:
        parser.parse_args(words)  # prints help or what is wrong, and leaves
    module = importlib.import_module(module_of(words[0]))
    stage = argparse.ArgumentParser(
        prog=f"python -m trailers {words[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        module.add_flags(stage)
        result = module.run(stage.parse_args(words[1:]))
    except TrailerError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if problem.errno not in MACHINE:
            raise
        print(f"error: {problem}. Mend that and run again; what is made stays.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; what is made stays, run the same command again.", file=sys.stderr)
        return 130
    return int(result or 0)


if __name__ == "__main__":
    sys.exit(main())
