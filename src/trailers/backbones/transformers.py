"""transformers:ORG/REPOSITORY: image and video encoders of Hugging Face, from a repository on disk.

Only configuration, processor and safetensors are read, and only with classes of the library: code of a repository is
never run. `snakemake weights` fetches the repository (``tools.weights``); this module does not use a network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.backbones.encoders import KINDS, Kind, encoder_of, is_text_aligned, kind_of, network_class
from trailers.backbones.names import Name, parse
from trailers.backbones.repository import CONFIG
from trailers.backbones.row import About, Row, Weights
from trailers.backbones.transformers_choices import (
    check_layer,
    check_pool,
    check_untrusted,
    chosen_frames,
    frames_of,
    made_config,
    output_of,
    sized,
)
from trailers.errors import ConfigError, WeightsError
from trailers.store.json_file import read_json

if TYPE_CHECKING:
    from torch import nn

EXTRA = "pip install 'trailers[huggingface]'."
NAMES_OF_CLASSES = ("id2label", "label2id")  # long, and without influence on vectors


def require(name: str) -> None:
    """Raises ConfigError if the library is not installed."""
    try:
        import transformers  # noqa: F401
    except ImportError:
        raise ConfigError("needs the package transformers", where=name, remedy=EXTRA) from None


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a network, without the names of its classes.

    Raises:
        ConfigError: it requests code that is not part of the library.
        WeightsError: it is missing or damaged.
    """
    try:
        values = read_json(folder / CONFIG, remedy="Rerun `snakemake weights`.", error=WeightsError)
    except FileNotFoundError:
        raise WeightsError("does not exist", where=folder / CONFIG, remedy="Run `snakemake weights`.") from None
    check_untrusted(values, folder / CONFIG)
    return {key: value for key, value in values.items() if key not in NAMES_OF_CLASSES}


def is_2d(folder: Path) -> bool:
    """Whether the network in ``folder`` takes single pictures; False if it is not known yet. Imports nothing."""
    with contextlib.suppress(ConfigError, WeightsError):
        kind = kind_of(read_config(folder))
        return kind is not None and kind.dimensions == 2
    return False


def describe(name: Name, folder: Path, *, revision: str = "", licence: str = "not stated", url: str = "") -> Row:
    """The row of a repository on disk.

    Raises:
        ConfigError: it cannot be a backbone, or does not offer a choice of ``name``.
        WeightsError: its configuration is damaged.
    """
    require(str(name))
    from trailers.backbones.processor import read_processor, transform_of

    config, kind = check_config(name, folder)
    with quiet():
        processor = read_processor(folder, is_video=kind.dimensions == 3)
        transform = sized(name, transform_of(processor, name), config)
    frames = chosen_frames(name, frames_of(config, processor), config)
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    weights = Weights(revision[:12] or "by hand", folder.name, url, licence=licence)
    on_cpu, on_cuda = (16, 128) if frames == 1 else (2, 16)
    row = Row(
        str(name), "transformers", name.model, kind.dimensions, 1, transform, weights, frames,
        batch_cpu=on_cpu, batch_cuda=on_cuda, config=text,
    )  # fmt: skip
    return completed(row)


def check_config(name: Name, folder: Path) -> tuple[dict[str, Any], Kind]:
    """The configuration in ``folder`` and its kind. Raises ConfigError if it does not offer what ``name`` requests."""
    config = read_config(folder)
    kind = kind_of(config)
    if kind is None:
        what = f"has the model_type '{config.get('model_type')}', which is not one of {', '.join(KINDS)}"
        raise ConfigError(
            what, where=str(name), remedy="Choose another repository, or describe the network in a file of your own."
        )
    check_pool(name, config)
    check_layer(name, config)
    return config, kind


def completed(row: Row) -> Row:
    """``row`` with F and cost, from a network that takes no memory. Raises ConfigError if its frames do not fit."""
    import torch

    from trailers.backbones.meta import count

    frames = () if row.dimensions == 2 else (row.wanted_frames(24),)
    shape = (1, 3, *frames, *row.transform.crop)
    try:
        with torch.device("meta"):
            network = make(row, None).eval()
        parameters, multiply_adds, found = count(network, shape)
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, ImportError) as problem:
        words = " ".join(str(problem).split())[:200]
        what = f"its network does not accept pixels {shape[1:]}, which its processor prepares: {words}"
        raise ConfigError(what, where=row.name, remedy="Choose another repository.") from None
    output = output_of(row)
    is_shared = is_text_aligned(json.loads(row.config), output)
    head = "kept: the projection shared with text" if is_shared else "left out"
    pooling = "token" if output.pool == "space" else output.pool
    pooling += "" if output.layer is None else f", after layer {output.layer}"
    clip_frames = row.frames if row.dimensions == 3 else None
    about = About(pooling, head, None, clip_frames, parameters, multiply_adds)
    return dataclasses.replace(row, features=int(found.shape[1]), about=about)


def make(row: Row, weights: Path | None) -> nn.Module:
    """The encoder, with the weights of the folder ``weights`` or random ones.

    Raises:
        ConfigError: the library is not installed.
        WeightsError: the weights lack a tensor that the encoder needs.
    """
    config, output, name = json.loads(row.config), output_of(row), parse(row.name)
    is_resized = name is not None and bool(name.choice("size"))
    return make_part(row, weights, lambda network: encoder_of(network, config, output, is_resized=is_resized))


def make_part(row: Row, weights: Path | None, part: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """The result of ``part`` on the whole network; random weights are the same for every part. Raises like ``make``."""
    require(row.name)
    import transformers

    config = json.loads(row.config)
    kind = getattr(transformers, network_class(config, output_of(row)))
    if weights is None:
        made = made_config(config)
        made.dtype = "float32"
        with quiet():
            return part(kind(made))
    return loaded(kind, row, weights, part)


def loaded(kind: Any, row: Row, folder: Path, part: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A part of the network with the weights of ``folder``; raises WeightsError if some of its weights are missing."""
    import torch

    read_config(folder)  # checks it again: the library reads it too, and it may differ from the recorded one
    with quiet():
        network, notes = kind.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    names = {id(value): key for key, value in network.named_parameters()}
    taken = part(network)
    used = {names[id(value)] for value in taken.parameters() if id(value) in names}
    wrong = sorted(used & {str(key).split(" ")[0] for key in (*notes["missing_keys"], *notes["mismatched_keys"])})
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise WeightsError(
            f"lacks {wrong[0]}{more}, which {row.name} needs", where=folder,
            remedy="Choose another repository; these weights belong to another network.",
        )  # fmt: skip
    return taken


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, the library neither logs nor draws progress bars; important problems are raised as errors."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
