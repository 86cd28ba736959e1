"""YAML files that a person wrote: plain values, keys as written, and errors that name the line."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trailers.errors import ConfigError

DEEPEST = 20  # levels of sections and lists; a configuration has four
TEMPLATE = re.compile(rb"^__use_yte__\s*:\s*true\b", re.MULTILINE)


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a YAML or JSON file; empty if it contains only comments. Keys are text as written.

    Raises:
        ConfigError: names the file and the line.
    """
    text = read_text(path)
    found = parse_json(path, text) if text.lstrip().startswith("{") else None
    if found is None:
        found = parse_yaml(path, text)
    if found is None:
        return {}
    if depth_of(found, {}) > DEEPEST:
        what = f"contains itself, or is nested more than {DEEPEST} levels deep"
        raise ConfigError(what, where=path, remedy="Replace each alias (*) by its value.")
    if not isinstance(found, dict):
        what = f"must contain keys and values, got {shortened(found)}"
        raise ConfigError(what, where=path, remedy="Correct it; see the project's own config.yaml.")
    return found


def depth_of(value: Any, known: dict[int, float]) -> float:
    """Levels of tables and lists in ``value``; infinite if it contains itself, as YAML's aliases allow.

    Args:
        value: read from YAML.
        known: the depths of values that were already visited, by identity.
    """
    if not isinstance(value, dict | list):
        return 0
    if id(value) not in known:
        known[id(value)] = math.inf  # found again below, the value contains itself
        below = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + max((depth_of(found, known) for found in below), default=0)
    return known[id(value)]


def is_template(path: Path) -> bool:
    """Whether a file is one that Snakemake computes before it reads it as YAML (https://yte-template-engine.github.io)."""
    return bool(TEMPLATE.search(path.read_bytes()))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"cannot be read: {problem.strerror}", where=path, remedy="Name a readable file.") from None
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        before = data[: problem.start].decode("latin-1")
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise ConfigError(
            f"byte {data[problem.start]:#04x} is not {name}", where=line_of(path, before),
            remedy="Save the file as UTF-8.",
        ) from None  # fmt: skip


def line_of(path: Path, before: str) -> str:
    """The file, and the number of the line at the end of the text ``before``."""
    return f"{path}, line {len((before + '.').splitlines())}"


def parse_json(path: Path, text: str) -> Any:
    """The value of a text in JSON; None if it is not JSON. YAML would refuse its tabs. Raises ConfigError."""

    def table(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = next((key for n, key in enumerate(keys) if key in keys[:n]), None)
        if twice is not None:
            raise ConfigError(f"the key '{twice}' occurs twice", where=path, remedy="Correct it.")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=table)
    except (ValueError, RecursionError):
        return None


def parse_yaml(path: Path, text: str) -> Any:
    """The value of a text in YAML. Raises ConfigError with the line."""
    import yaml

    try:
        return yaml.load(text, Loader=make_loader())  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
        what = f"is not valid YAML: {problem.problem or problem.context}"
    except yaml.reader.ReaderError as problem:
        where = line_of(path, text[: problem.position])
        what = f"is not valid YAML: the character U+{int(problem.character):04X} is not allowed"
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        where, what = str(path), f"cannot be read as YAML: {' '.join(str(problem).split())}"
    raise ConfigError(what, where=where, remedy="Correct it.")


def make_loader() -> type[Any]:
    """A YAML loader that makes only plain values, keeps keys and dates as text, and refuses a key that occurs twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            written = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            seen: set[str] = set()
            for key in written:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key.start_mark)
                if key.value in seen:
                    words = f"the key '{key.value}' occurs twice"
                    raise yaml.constructor.ConstructorError(None, None, words, key.start_mark)
                seen.add(key.value)
                key.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def shortened(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}..."
