"""Prompts for zero-shot genres: a YAML file of templates and, for each genre, phrases (workflow/prompts.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trailers.config import fit
from trailers.errors import ConfigError
from trailers.project import project_file
from trailers.yaml_file import read_yaml

SCHEMA = project_file("workflow", "schemas", "prompts.schema.yaml")
PLACE = "{}"  # stands for the phrase in a template


@dataclass(frozen=True)
class Prompts:
    """Templates, each with one ``{}``, and the phrases of every genre, in the order of the file."""

    templates: tuple[str, ...]
    genres: Mapping[str, tuple[str, ...]]

    def sentences(self, genre: str) -> list[str]:
        """Every phrase of ``genre`` in every template."""
        return [template.replace(PLACE, phrase) for phrase in self.genres[genre] for template in self.templates]


def read_prompts(path: Path) -> Prompts:
    """The prompts at ``path``. If it has no ``templates``, phrases are used as they are.

    Raises:
        ConfigError: a key or value is not allowed; names the file, the key and the allowed values.
    """
    values = read_yaml(path)
    fit(values, SCHEMA, where=path)
    genres = {
        name: (phrases,) if isinstance(phrases, str) else tuple(phrases) for name, phrases in values["genres"].items()
    }
    for name, phrases in genres.items():
        if not all(phrase.strip() for phrase in phrases):
            raise ConfigError("has an empty phrase", where=f"{path}: genres, {name}", remedy="Write one, or remove it.")
    return Prompts(tuple(values.get("templates") or (PLACE,)), genres)
