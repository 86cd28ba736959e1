"""The whole configuration: the project's config.yaml, overridden by the working folder's, then by the command line.

Everything that reads a configuration does so here, so that `snakemake`, `status` and `doctor` agree. Merged,
a section of the working folder adds to the project's own; the result is compared with a JSON schema.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trailers.errors import ConfigError
from trailers.project import PROJECT, project_file
from trailers.yaml_file import read_yaml, shortened

NAME = "config.yaml"
SCHEMA = project_file("workflow", "schemas", "config.schema.yaml")
PATHS = (
    *(("", name) for name in ("manifest", "study", "packs", "metadata")),
    *(("embed", "weights_dir"), ("download", "cookies"), ("search", "titles")),
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KINDS = {
    "object": "a section of keys and values", "array": "a list", "string": "text", "integer": "a whole number",
    "number": "a number", "boolean": "true or false", "null": "null",
}  # fmt: skip
NULLS = ("null", "none", "~", "")  # how null arrives as text


def read_config(overrides: Mapping[str, Any] | None = None, *, files: Iterable[Path] = ()) -> dict[str, Any]:
    """The whole configuration of the working folder, checked.

    Args:
        overrides: values that override all files, such as ``--config`` of Snakemake.
        files: files that override those of project and working folder, such as ``--configfile`` of Snakemake.

    Raises:
        ConfigError: with the file and line, or with the key and its possible values.
    """
    config: dict[str, Any] = {}
    for path in [*config_files(), *files]:
        merge(config, read_yaml(path))
    merge(config, overrides or {})
    check_config(config)
    for section, key in PATHS:
        values = config[section] if section else config
        values[key] = as_path(values[key])
    return config


def as_path(text: str | None) -> str | None:
    """A path for programs: ``~`` is expanded, and a leading dash cannot be mistaken for an option."""
    if text is None:
        return None
    return str(Path(text).expanduser().absolute()) if text.startswith(("~", "-")) else text


def config_files() -> Iterator[Path]:
    """The config.yaml of the project, then that of the working folder if it is another file; only existing ones."""
    of_project, of_folder = PROJECT / NAME, Path(NAME)
    if of_project.is_file():
        yield of_project
    if of_folder.is_file() and not (of_project.is_file() and of_project.samefile(of_folder)):
        yield of_folder


def defaults(section: str) -> Mapping[str, Any]:
    """The values of ``section`` in config.yaml, unchecked, so flags have defaults even if something else is wrong.

    Raises:
        ConfigError: a config.yaml is not YAML, or the section is not a mapping.
    """
    values: dict[str, Any] = {}
    for path in config_files():
        found = read_yaml(path).get(section) or {}
        if not isinstance(found, Mapping):
            raise ConfigError(
                f"'{section}' must be a section of keys and values, got {found!r}", where=path, remedy="Correct it."
            )
        merge(values, found)
    return values


def merge(config: dict[str, Any], more: Mapping[Any, Any]) -> None:
    """Override ``config`` by ``more``, section by section; keys are text even if YAML reads them as numbers."""
    for key, value in more.items():
        name = str(key)
        below = config.get(name)
        if isinstance(value, Mapping):
            section = config[name] = dict(below) if isinstance(below, Mapping) else {}
            merge(section, value)
        elif value is None and isinstance(below, Mapping):
            continue  # a section of comments only
        else:
            config[name] = copy.deepcopy(value)


def check_config(config: dict[str, Any], schema: Path = SCHEMA) -> None:
    """Compare a whole configuration with its JSON schema; see ``fit``. Raises ConfigError."""
    fit(config, schema, where="config.yaml")
    for place, value in leaves(config):
        if isinstance(value, str) and CONTROL.search(value):
            what = f"{shortened(repr(value))} holds a control character"
            raise ConfigError(what, where=f"config.yaml: {place}", remedy="Remove it.")


def fit(values: dict[str, Any], schema: Path, *, where: object) -> None:
    """Compare ``values`` of a YAML file with a JSON schema.

    Text is converted in place where the schema wants another type and the text can be read as one: YAML reads 1e-3 as
    text, and values that ``--config`` gives below the first level, as in 'shots={threshold: 0.9}', are text too.

    Raises:
        ConfigError: names the key, its value and the allowed values; for an unknown key, the most similar known one.
    """
    import jsonschema
    import yaml

    # libyaml is ten times as fast, but crashes on 100,000 nested levels: only the project's own files are read with it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rules = yaml.load(schema.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  both are safe loaders
    for name in values:
        values[name] = as_wanted(values[name], rules["properties"].get(name, {}), rules)
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(rules).iter_errors(values))
    if problem is not None:
        raise ConfigError(f"{where}: {explain(problem)}")
    for place, value in leaves(values):
        if isinstance(value, float) and math.isnan(value):
            raise ConfigError("is not a number", where=f"{where}: {place}", remedy="Give a number.")
        if isinstance(value, float) and math.isinf(value):
            remedy = "Give a number; where you want no limit, a very large one."
            raise ConfigError("is infinite", where=f"{where}: {place}", remedy=remedy)


def as_wanted(value: Any, rule: Mapping[str, Any], rules: Mapping[str, Any]) -> Any:
    """``value`` with every part converted to the type that its ``rule`` of the schema wants, where possible."""
    while "$ref" in rule:
        rule = rules["$defs"][rule["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        known, others = rule.get("properties", {}), rule.get("additionalProperties")
        other = others if isinstance(others, Mapping) else {}
        return {key: as_wanted(below, known.get(key, other), rules) for key, below in value.items()}
    if isinstance(value, list):
        return [as_wanted(below, rule.get("items", {}), rules) for below in value]
    if isinstance(value, str):
        return read_text_as(value, rule)
    is_integer = "integer" in types_of(rule) and "number" not in types_of(rule)
    return int(value) if isinstance(value, float) and is_integer and value.is_integer() else value


def types_of(rule: Mapping[str, Any]) -> tuple[str, ...]:
    types = rule.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def read_text_as(text: str, rule: Mapping[str, Any]) -> Any:
    """``text`` as null, a number or a truth value where the rule allows that; otherwise unchanged."""
    kinds, values = types_of(rule), rule.get("enum", ())
    word = text.strip().lower()
    if word in NULLS and ("null" in kinds or None in values) and text not in values:
        return None
    if "boolean" in kinds and word in ("true", "false"):
        return word == "true"
    is_whole = "integer" in kinds or any(type(value) is int for value in values)
    readers: list[Callable[[str], Any]] = [int, whole] if is_whole else []
    if "number" in kinds:
        readers.append(float)
    for number in readers:
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def whole(text: str) -> int:
    """The whole number that is written with a point or an exponent, such as 1e3. Raises ValueError."""
    number = float(text)
    if not number.is_integer() or abs(number) >= 2**53:
        raise ValueError(f"{text} is not a whole number")
    return int(number)


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither a section nor a list, with the path of keys to it (first in the pair)."""
    below: Any = ()
    if isinstance(value, Mapping):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    else:
        yield place, value
    for key, found in below:
        yield from leaves(found, f"{place}.{key}" if place else str(key))


def explain(problem: Any) -> str:
    """A finding of jsonschema as one sentence."""
    where = ".".join(map(str, problem.absolute_path))
    if problem.validator == "additionalProperties":
        known = list(problem.schema.get("properties", ()))
        unknown = sorted(set(problem.instance) - set(known), key=str)
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        advice = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
        return f"the key '{'.'.join(filter(None, (where, str(unknown[0]))))}' is unknown. {advice}"
    where = where or "the file"
    is_plain = not isinstance(problem.instance, Mapping | list)
    if problem.validator == "type" and types_of(problem.schema) == ("string",) and is_plain:
        return f"{where}: {shortened(problem.instance)} must be text. Put it in quotes."
    return f"{where}: {misfit(problem)}. Correct it; the comments in the project's own config.yaml list the choices."


def misfit(problem: Any) -> str:
    """What a value is and which values are allowed; for a pattern, its description in the schema."""
    value, rule = shortened(repr(problem.instance)), problem.validator_value
    match problem.validator:
        case "type":
            wanted = " or ".join(KINDS[kind] for kind in types_of(problem.schema))
            return f"has no value, expected {wanted}" if problem.instance is None else f"{value} is not {wanted}"
        case "pattern":
            return f"{value} is not {problem.schema['description']}"
        case "enum":
            return f"{value} is not one of {', '.join('null' if one is None else str(one) for one in rule)}"
        case "required":
            missing = next(name for name in rule if name not in problem.instance)
            return f"needs the key '{missing}', which is missing"
        case "minLength" | "minItems" | "minProperties":
            return "is empty" if not problem.instance else f"needs at least {rule} entries"
        case "maxLength":
            return f"has {len(problem.instance):,} characters, but the maximum is {rule:,}"
        case "uniqueItems":
            return f"{value} lists something twice"
        case _:
            return shortened(problem.message)
