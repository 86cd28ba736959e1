"""Settings: each is a key of config.yaml, a flag of the command line, and a field of a dataclass.

A stage declares its settings as frozen dataclasses without defaults; the defaults are in
config.yaml. ``Settings`` contains the options that change the product and enter its fingerprint,
``Effort`` those that do not (retries, devices, batch sizes).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from trailers.config import defaults
from trailers.errors import ConfigError

T = TypeVar("T")

NONE = "none"  # how null is written as a flag


def setting(text: str) -> Any:
    """A field of a settings dataclass, with the help text of its flag."""
    return dataclasses.field(metadata={"help": text})


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def flags(kind: type, section: Mapping[str, Any]) -> str:
    """The flags for the fields of ``kind``, with the values of ``section`` of config.yaml, quoted for a shell.

    Raises:
        ConfigError: the section lacks a field.
    """
    words: list[str] = []
    for field in dataclasses.fields(kind):
        if field.name not in section:
            raise ConfigError(
                f"config.yaml: the key '{field.name}' is missing. Copy it from the project's own config.yaml."
            )
        values = as_words(section[field.name])
        # As one word, so that a value that begins with a dash is not read as another flag.
        words += [f"{flag(field.name)}={values[0]}"] if is_like_a_flag(values) else [flag(field.name), *values]
    return shlex.join(words)


def is_like_a_flag(words: list[str]) -> bool:
    return len(words) == 1 and words[0].startswith("-")


def as_words(value: Any) -> list[str]:
    if value is None:
        return [NONE]
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [str(value)]


def as_shown(value: Any) -> str:
    """``value`` as config.yaml writes it."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def add_flags(parser: argparse.ArgumentParser, kind: type, section: str) -> None:
    """Add a flag for every field of ``kind``; the default is the value in ``section`` of config.yaml."""
    hints = typing.get_type_hints(kind)
    group = parser.add_argument_group(f"{section}: {(kind.__doc__ or '').splitlines()[0]}")
    values = defaults(section)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        many = typing.get_origin(hint) is tuple
        group.add_argument(
            flag(field.name),
            type=reader(typing.get_args(hint)[0] if many else hint),
            nargs="*" if many else None,
            default=values.get(field.name),
            metavar="true|false" if bool in (hint, *typing.get_args(hint)) else field.name.rsplit("_", 1)[-1].upper(),
            help=f"{field.metadata.get('help', '')} (default: {as_shown(values.get(field.name))})".replace("%", "%%"),
        )


def from_flags(kind: type[T], arguments: argparse.Namespace) -> T:
    """The settings that the parsed ``arguments`` give."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(typing.cast(Any, kind)):
        value = getattr(arguments, field.name)
        if isinstance(value, list):
            value = tuple(value)
        elif hints[field.name] is float and isinstance(value, int):
            value = float(value)  # config.yaml may say 30, which would give another fingerprint than 30.0
        values[field.name] = value
    return kind(**values)


def from_section(kind: type[T], section: Mapping[str, Any]) -> T:
    """The settings in ``section`` of config.yaml; keys of other dataclasses are ignored."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(typing.cast(Any, kind)):
        if field.name not in section:
            raise ConfigError(
                f"config.yaml: the key '{field.name}' is missing. Copy it from the project's own config.yaml."
            )
        value = section[field.name]
        if isinstance(value, list):
            value = tuple(value)
        elif hints[field.name] is float and isinstance(value, int | str):
            value = float(value)
        values[field.name] = value
    return kind(**values)


def reader(hint: Any) -> Any:
    """A function that converts one word of the command line to the type ``hint``."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    optional = type(None) in options
    (plain,) = (option for option in options if option is not type(None))

    def read(word: str) -> Any:
        if optional and word.lower() in (NONE, "null"):
            return None
        if plain is bool:
            if word.lower() not in ("true", "false"):
                raise argparse.ArgumentTypeError(f"'{word}' is neither true nor false")
            return word.lower() == "true"
        return plain(word)

    read.__name__ = getattr(plain, "__name__", "value")
    return read
