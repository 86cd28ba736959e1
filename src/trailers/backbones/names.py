"""Names of backbones of libraries: LIBRARY:MODEL?CHOICE=VALUE&CHOICE=VALUE. Standard library only.

timm:vit_small_patch14_dinov2.lvd142m                       a model with the weights of a tag
timm:vit_small_patch14_dinov2.lvd142m?pool=avg&size=224     the same, with choices that change its vectors
torchvision:resnet50.IMAGENET1K_V1                          a model with one of several published weights

A choice that is not written has its default. A written default is refused if the library states that it is one, so that
two names are two backbones. The order of the choices has no meaning; ``canonical_name`` sorts them.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trailers.domain import canonical_name
from trailers.errors import ConfigError

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}", re.ASCII)  # a model of a library, and a plain file name
TWO_PARTS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}", re.ASCII)
MOST_PIXELS = 4096  # of a side

Choices = tuple[tuple[str, str], ...]  # sorted pairs of choice and value


@dataclass(frozen=True)
class Choice:
    """The meaning of a choice, and the values that it can have; a model may offer fewer."""

    meaning: str
    allows: Callable[[str], bool]
    example: str


def one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


def is_size(value: str) -> bool:
    """Whether ``value`` is a number of pixels, written in one way only."""
    return re.fullmatch(r"[1-9]\d{0,3}", value, re.ASCII) is not None and int(value) <= MOST_PIXELS


def is_layer(value: str) -> bool:
    return re.fullmatch(r"0|[1-9]\d{0,2}", value, re.ASCII) is not None


CHOICES = {
    "pool": Choice(
        "how the vectors of all positions are combined: token, avg, max or map, if the model offers it",
        one_of("token", "avg", "max", "map"), "pool=avg",
    ),
    "size": Choice("the side of the square that the network sees, in pixels", is_size, "size=224"),
    "head": Choice(
        "keep: the projection into the space shared with text is kept", one_of("keep"), "head=keep"
    ),
    "frames": Choice("how many frames of a clip the network sees", is_size, "frames=16"),
    "layer": Choice(
        "the number of layers after which the vectors are taken; 0: before the first", is_layer, "layer=10"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Library:
    """The form of the names of a library's models, and the choices that some of its models offer."""

    model: re.Pattern[str]
    choices: tuple[str, ...]
    example: str
    has_repositories: bool = False  # whether everything about a model is fetched: configuration, transform, weights


# A library whose models can be backbones has a module of the same name in this room, with
#   describe(model, choices) -> Row    imports the library; refuses what the model does not offer
#   make(row, weights) -> Module       the network without its classifying layer; parse(row.name) has the choices
#   is_2d(model) -> bool               imports nothing
# One with repositories has describe(name, folder) and is_2d(folder) instead: what it knows of a model is in the folder.
LIBRARIES = {
    "timm": Library(PLAIN, ("head", "pool", "size"), "timm:vit_base_patch14_dinov2.lvd142m"),
    "torchvision": Library(PLAIN, (), "torchvision:convnext_tiny"),
    "open_clip": Library(TWO_PARTS, (), "open_clip:ViT-B-32/laion2b_s34b_b79k"),
    "transformers": Library(
        TWO_PARTS,
        ("frames", "layer", "pool", "size"),
        "transformers:facebook/vjepa2-vitl-fpc64-256",
        has_repositories=True,
    ),
}


def has_repositories(library: str) -> bool:
    return library in LIBRARIES and LIBRARIES[library].has_repositories


@dataclass(frozen=True)
class Name:
    """A name in its parts. ``choices`` are sorted; ``str()`` is the canonical name."""

    library: str
    model: str
    choices: Choices = ()

    def choice(self, key: str) -> str:
        """The value of a choice; empty if the name does not contain it."""
        return dict(self.choices).get(key, "")

    def __str__(self) -> str:
        written = "&".join(f"{key}={value}" for key, value in self.choices)
        return f"{self.library}:{self.model}" + (f"?{written}" if written else "")


def parse(text: str) -> Name | None:
    """The parts of a library's name; None for other names, such as resnet50 or my.py:net.

    Raises:
        ConfigError: it begins like a library's name but is not valid.
    """
    library, colon, rest = canonical_name(text).partition(":")
    if not colon or library not in LIBRARIES:
        return None
    form = LIBRARIES[library]
    model, mark, written = rest.partition("?")
    if not form.model.fullmatch(model):
        raise ConfigError(
            f"'{model}' cannot be a model of {library}", where=text, remedy=f"Write a name such as {form.example}."
        )
    choices = tuple(parse_choice(part, library, text) for part in written.split("&")) if mark else ()
    for (key, _), (following, _) in itertools.pairwise(choices):
        if key == following:
            raise ConfigError(f"the choice {key} is given more than once", where=text, remedy="Keep one.")
    return Name(library, model, choices)


def parse_choice(part: str, library: str, text: str) -> tuple[str, str]:
    """Key and value of ``part``, such as pool=avg. Raises ConfigError."""
    key, _, value = part.partition("=")
    offered = LIBRARIES[library].choices
    if key not in offered:
        close = difflib.get_close_matches(key, offered, n=1)
        words = f"Did you mean {close[0]}?" if close else f"Its choices are {', '.join(offered)}."
        raise ConfigError(
            f"{library} has no choice '{key}'", where=text,
            remedy=words if offered else "Remove the question mark and what follows it.",
        )  # fmt: skip
    choice = CHOICES[key]
    if not choice.allows(value):
        raise ConfigError(
            f"{key} cannot be '{value}'", where=text, remedy=f"It is {choice.meaning}, for example {choice.example}."
        )
    return key, value


def unknown_model(library: str, model: str, known: Sequence[str]) -> ConfigError:
    """The error for a model that ``library`` does not have."""
    # Names are often typed without the tag of the weights.
    tagged = sorted(name for name in known if name.startswith(f"{model}."))
    close = list(dict.fromkeys([*tagged, *difflib.get_close_matches(model, known, n=5, cutoff=0.4)]))[:5]
    nearest = f"The nearest are {', '.join(f'{library}:{match}' for match in close)}."
    return ConfigError(
        f"{library} has no model '{model}' with published weights",
        remedy=nearest if close else "See the library's list of models.",
    )


def refuse(name: Name, key: str, offered: str) -> ConfigError:
    """The error for a choice of ``name`` that its model does not offer."""
    return ConfigError(f"this model does not offer {key}={name.choice(key)}", where=str(name), remedy=offered)


def refuse_default(name: Name, key: str) -> ConfigError:
    """The error for a choice of ``name`` that is the default, which would give one backbone two names."""
    shorter = Name(name.library, name.model, tuple(choice for choice in name.choices if choice[0] != key))
    return ConfigError(
        f"{key}={name.choice(key)} is what this model does by default", where=str(name), remedy=f"Write {shorter}."
    )
