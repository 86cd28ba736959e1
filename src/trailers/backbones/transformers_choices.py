"""The choices of transformers' encoders: those of a name, those that a network offers, and what is refused.

pool     how the vectors of all positions are combined
layer    the number of layers after which they are taken, without the norm after the last one
size     the side of the square that the network sees
frames   the number of frames of a clip that it sees
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from trailers.backbones.encoders import Output, kind_of, pools_of
from trailers.backbones.names import Name, parse, refuse, refuse_default
from trailers.backbones.repository import CONFIG
from trailers.backbones.row import Row, Transform
from trailers.errors import ConfigError

CONVNEXT_STRIDE = 32  # px of a picture per position of the last layer
MOST_LAYERS = 1000  # of a configuration; the library would build millions one by one, for hours
IMPLEMENTATIONS = (None, "eager", "sdpa")  # the library's own; for other names it may fetch code from a repository


def output_of(row: Row) -> Output:
    """The output of the network that is used: that of the row's name, or the default."""
    name = parse(row.name)
    assert name is not None
    layer = int(name.choice("layer")) if name.choice("layer") else None
    pool = name.choice("pool") or pools_of(json.loads(row.config), is_inner=layer is not None)[0]
    return Output(pool, layer)


def check_pool(name: Name, config: Mapping[str, Any]) -> None:
    """Raises ConfigError if the network does not have the pooling of ``name``, or has it by default."""
    default, *others = pools_of(config, is_inner=bool(name.choice("layer")))
    pool = name.choice("pool")
    if pool == default:
        raise refuse_default(name, "pool")
    if pool and pool not in others:
        offered = f"By default it gives '{default}'" + (f"; it also offers {', '.join(others)}." if others else ".")
        raise refuse(name, "pool", offered)


def check_layer(name: Name, config: Mapping[str, Any]) -> None:
    """Raises ConfigError if the network has no such layer before its last, or layers of different sizes."""
    kind, layer = kind_of(config), name.choice("layer")
    if not layer:
        return
    if kind is None or not kind.layers:
        raise refuse(name, "layer", "Its layers give maps of different sizes; remove the choice.")
    made = made_config(config)
    count = int(getattr(made, "vision_config", made).num_hidden_layers)
    if int(layer) >= count:
        raise refuse(name, "layer", f"It has {count} layers: write 0 to {count - 1}, or nothing for the last.")


def sized(name: Name, transform: Transform, config: Mapping[str, Any]) -> Transform:
    """``transform`` at the size of ``name``; the crop keeps its share of the picture. Raises ConfigError."""
    if not name.choice("size"):
        return transform
    kind, side, crop = kind_of(config), int(name.choice("size")), transform.crop[0]
    if kind is None or not kind.sizes or transform.crop != (crop, crop):
        raise refuse(name, "size", f"It takes {crop} x {transform.crop[1]} px.")
    if side == crop:
        raise refuse_default(name, "size")
    made = made_config(config)
    patch = int(getattr(getattr(made, "vision_config", made), "patch_size", 0) or CONVNEXT_STRIDE)
    if side % patch:
        raise refuse(name, "size", f"Its patches have {patch} px: write a multiple.")
    resize = tuple(max(side, round(length * side / crop)) for length in transform.resize)
    return dataclasses.replace(transform, resize=resize, crop=(side, side))


def chosen_frames(name: Name, published: int, config: Mapping[str, Any]) -> int:
    """The number of frames of ``name``, or that of the publisher. Raises ConfigError."""
    if not name.choice("frames"):
        return published
    kind, frames = kind_of(config), int(name.choice("frames"))
    if kind is None or not kind.any_frames:
        raise refuse(name, "frames", f"It takes {published}.")
    if frames == published:
        raise refuse_default(name, "frames")
    tubelet = int(made_config(config).tubelet_size)
    if frames % tubelet:
        raise refuse(name, "frames", f"It joins {tubelet} frames: write a multiple.")
    return frames


def frames_of(config: Mapping[str, Any], processor: Any) -> int:
    """The number of frames of a clip that the network takes."""
    kind = kind_of(config)
    assert kind is not None
    if not kind.frames:
        return 1
    published = getattr(processor, "num_frames", None) or made_config(config).to_dict()[kind.frames]
    return int(published)


def check_untrusted(config: Mapping[str, Any], where: object) -> None:
    """Raises ConfigError if a configuration from somebody else asks for code, or for more layers than can be built."""
    check_asks_no_code(config, where)
    check_layers_are_few(config, where)


def check_asks_no_code(config: Mapping[str, Any], where: object) -> None:
    """Raises ConfigError if a configuration makes the library run code other than its own for this network."""
    for key, value in entries(config):
        if key == "quantization_config" or (
            "_implementation" in key and not isinstance(value, bool) and value not in IMPLEMENTATIONS
        ):
            what = f"asks for '{key}': {json.dumps(value)[:80]}, which runs code that is not part of transformers"
            raise ConfigError(what, where=where, remedy="Choose another repository, or remove this entry.")


def entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its plain value, at any depth; a choice for a part of the network has the key of the choice."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if "_implementation" in key and isinstance(inner, Mapping):
                yield from ((key, choice) for choice in inner.values())
            elif key == "quantization_config" and inner is None:
                continue
            else:
                yield key, inner
                yield from entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from entries(inner)


def check_layers_are_few(config: Mapping[str, Any], where: object) -> None:
    """Raises ConfigError if a configuration asks for more layers than any network has."""
    for key, value in entries(config):
        if not key.endswith(("layers", "depth", "depths")):
            continue
        numbers = value if isinstance(value, list) else [value]
        most = max((number for number in numbers if isinstance(number, int | float)), default=0)
        if most > MOST_LAYERS:
            what = f"asks for '{key}': {most}, more than {MOST_LAYERS}"
            raise ConfigError(what, where=where, remedy="Choose another repository.")


def made_config(config: Mapping[str, Any]) -> Any:
    """The library's configuration object for these values, with its defaults. Raises ConfigError."""
    import transformers

    check_untrusted(config, CONFIG)
    values = {key: value for key, value in config.items() if key not in ("model_type", "auto_map", "architectures")}
    try:
        return transformers.AutoConfig.for_model(config["model_type"], **values)
    except (TypeError, ValueError, KeyError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ConfigError(f"its config.json cannot be read: {words}", remedy="Choose another repository.") from None
