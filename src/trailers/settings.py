"""One setting, three faces: a key of config.yaml, a flag of the command line, a field of a dataclass.

A stage declares its settings as frozen dataclasses without defaults: the defaults live in
config.yaml. ``Settings`` holds what shapes the product and enters its fingerprint, ``Effort``
what does not (retries, devices, batch sizes).
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import operator
import shlex
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from trailers.errors import ConfigError
from trailers.project import PROJECT

T = TypeVar("T")

NONE = "none"  # how null is written as a flag


def setting(text: str) -> Any:
    """A field of a settings dataclass, with the help text of its flag."""
    return dataclasses.field(metadata={"help": text})


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def flags(kind: type, section: Mapping[str, Any]) -> str:
    """The fields of ``kind`` that ``section`` of config.yaml gives, quoted for a shell.

    Raises:
        ConfigError: the section lacks a field.
    """
    words: list[str] = []
    for field in dataclasses.fields(kind):
        if field.name not in section:
            raise ConfigError(f"config.yaml: the key '{field.name}' is missing. Take it over from the project's own.")
        words.append(flag(field.name))
        words += as_words(section[field.name])
    return shlex.join(words)


def as_words(value: Any) -> list[str]:
    if value is None:
        return [NONE]
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [str(value)]


def add_flags(parser: argparse.ArgumentParser, kind: type, section: str) -> None:
    """A flag for every field of ``kind``; its default is what config.yaml says in ``section``."""
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
            metavar=field.name.rsplit("_", 1)[-1].upper(),
            help=f"{field.metadata.get('help', '')} (config.yaml: {values.get(field.name)})".replace("%", "%%"),
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
            value = float(value)  # a default that config.yaml writes as 30; fingerprints tell it from 30.0
        values[field.name] = value
    return kind(**values)


def from_section(kind: type[T], section: Mapping[str, Any]) -> T:
    """The settings that ``section`` of config.yaml gives; keys of other dataclasses are left alone."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(typing.cast(Any, kind)):
        if field.name not in section:
            raise ConfigError(f"config.yaml: the key '{field.name}' is missing. Take it over from the project's own.")
        value = section[field.name]
        if isinstance(value, list):
            value = tuple(value)
        elif hints[field.name] is float and isinstance(value, int | str):
            value = float(value)
        values[field.name] = value
    return kind(**values)


def reader(hint: Any) -> Any:
    """The function that turns one word of the command line into ``hint``."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    optional = type(None) in options
    (plain,) = (option for option in options if option is not type(None))

    def read(word: str) -> Any:
        if optional and word.lower() == NONE:
            return None
        if plain is bool:
            if word.lower() not in ("true", "false"):
                raise argparse.ArgumentTypeError(f"'{word}' is neither true nor false")
            return word.lower() == "true"
        return plain(word)

    read.__name__ = getattr(plain, "__name__", "value")
    return read


def defaults(section: str) -> Mapping[str, Any]:
    """What config.yaml says in ``section``: the project's own, and over it the working folder's.

    Raises:
        ConfigError: a config.yaml is not what it should be.
    """
    values: dict[str, Any] = {}
    for folder in (PROJECT, Path.cwd()):
        path = folder / "config.yaml"
        if path.is_file():
            values.update(read_section(path, section))
    return values


def read_section(path: Path, section: str) -> Mapping[str, Any]:
    import yaml

    try:
        found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(section) or {}
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError) as problem:
        raise ConfigError(
            f"{path}: is not a YAML file of sections: {' '.join(str(problem).split())}. Correct it."
        ) from None
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: '{section}' must be a section of keys and values, got {found!r}. Correct it.")
    return found


def check_config(config: dict[str, Any], schema: Path) -> None:
    """Compare a whole configuration with its JSON schema.

    Values given on Snakemake's command line below the first level, as in ``--config 'shots={threshold: 0.9}'``,
    arrive as text; where the schema wants another type they are read as YAML, in place.

    Raises:
        ConfigError: names the key, what it is and what it may be; for an unknown key the nearest known one.
    """
    import jsonschema
    import yaml

    checker = jsonschema.Draft202012Validator(yaml.safe_load(schema.read_text(encoding="utf-8")))
    for problem in list(checker.iter_errors(config)):
        if isinstance(problem.instance, str) and problem.absolute_path:
            *parents, key = problem.absolute_path
            functools.reduce(operator.getitem, parents, config)[key] = yaml.safe_load(problem.instance)
    problem = jsonschema.exceptions.best_match(checker.iter_errors(config))
    if problem is not None:
        raise ConfigError(f"config.yaml: {explain(problem)}")


def explain(problem: Any) -> str:
    where = ".".join(map(str, problem.absolute_path))
    if problem.validator == "additionalProperties":
        known = list(problem.schema.get("properties", ()))
        unknown = sorted(set(problem.instance) - set(known), key=str)
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        advice = f"Did you mean '{near[0]}'?" if near else f"Known are {', '.join(known)}."
        return f"the key '{'.'.join(filter(None, (where, str(unknown[0]))))}' is unknown. {advice}"
    where = where or "the file"
    return f"{where}: {problem.message}. Correct it; the comments in the project's own say what it may be."


def asked_pairs() -> list[tuple[str, str]]:
    """(clip strategy, backbone) of every embedding that config.yaml asks for, and that its experiments need."""
    strategies, backbones = defaults("clips").get("strategies", ()), defaults("embed").get("backbones", ())
    asked = [(clips, backbone) for clips in strategies for backbone in backbones]
    for row in defaults("experiments").values():
        asked += [(row["clips"], backbone) for backbone in row["backbones"]]
    return list(dict.fromkeys(asked))


def asked_manifest() -> Path:
    """The manifest that config.yaml names: the working folder's, else the project's own."""
    import yaml

    for folder in (Path.cwd(), PROJECT):
        path = folder / "config.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
        if isinstance(values, Mapping) and values.get("manifest"):
            return Path(str(values["manifest"]))
    return Path("manifest.csv")
