"""What one experiment on one split leaves in its folder.

metrics.json      the numbers and all they can be traced to; written last
predictions.csv   a row a trailer of validation and test: probability of each genre, then its labels
curves.csv        a row an epoch
left_out.csv      a row a trailer of the manifest that took no part, and why
weights.pt        the network of the best epoch, with what is needed to use it
checkpoint.pt     the training between two epochs; gone when it is finished
"""

from __future__ import annotations

import csv
import io
import json
import logging
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.errors import StoreError
from trailers.store.atomic import unfailing, write_text

log = logging.getLogger(__name__)

SCHEMA = "classify-metrics/1"
WEIGHTS_SCHEMA = "classify-weights/1"
METRICS, PREDICTIONS, CURVES, LEFT_OUT = "metrics.json", "predictions.csv", "curves.csv", "left_out.csv"
WEIGHTS, CHECKPOINT = "weights.pt", "checkpoint.pt"


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    write_text(folder / METRICS, json.dumps({"schema": SCHEMA, **metrics}, indent=1, allow_nan=False) + "\n")


def read_metrics(path: Path) -> dict[str, Any]:
    """What ``write_metrics`` wrote.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    remedy = "Remove it and run the stage classify again."
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: is not there. Run the stage classify first.") from None
    except (OSError, ValueError) as problem:
        raise StoreError(f"{path}: cannot be read: {problem}. {remedy}") from None
    if not isinstance(metrics, dict) or metrics.get("schema") != SCHEMA:
        raise StoreError(f"{path}: its schema is not '{SCHEMA}'. {remedy}")
    return metrics


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_text(path, text.getvalue())


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Tensors and plain values, for ``load_state``."""
    import torch

    # A file, not a path: torch writes the path's name into the bytes, and a temporary one differs each time.
    with unfailing(path) as file:
        torch.save(dict(state), file)


def load_state(path: Path, fingerprint: str | None = None) -> dict[str, Any] | None:
    """What ``save_state`` wrote; None when it is not there, damaged, or not of this ``fingerprint``.

    Nothing in the file is run: torch unpickles tensors and plain values only.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as problem:
        log.warning("%s: is damaged: %s", path, (str(problem).splitlines() or ["?"])[0])
        return None
    if not isinstance(state, dict) or fingerprint not in (None, state.get("fingerprint")):
        log.info("%s: is of other settings or data, and not used", path)
        return None
    return state


def read_weights(path: Path) -> dict[str, Any]:
    """A trained experiment: backbones, clips, features, genres, recipe, state.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    state = load_state(path)
    if state is None or state.get("schema") != WEIGHTS_SCHEMA:
        raise StoreError(f"{path}: is not a trained experiment. Run the stage classify first, or name another folder.")
    return state
