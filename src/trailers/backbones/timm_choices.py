"""The choices of timm's models: how each is built, which a model offers, and what is refused.

pool   how the vectors of all positions are combined; changed on the whole network, after its weights are loaded
size   the side of the square that the network sees; timm interpolates position embeddings to it
head   keep: the projection is kept, if the published head is one
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trailers.backbones import publishers
from trailers.backbones.meta import count
from trailers.backbones.names import Name, refuse, refuse_default
from trailers.backbones.row import About
from trailers.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

POOLS = ("token", "avg", "max", "map")
# Numbers of outputs of heads that project into a space shared with text; other numbers are classes.
PROJECTIONS = (384, 512, 640, 768, 1024, 1152, 1280)
REFUSES: tuple[type[Exception], ...] = (AssertionError, RuntimeError, TypeError, ValueError, AttributeError, KeyError)


def create(name: Name, **arguments: Any) -> nn.Module:
    """timm's network of ``name``, of the chosen size, with the publisher's activation, its head as timm makes it."""
    import timm

    if "activation" in publishers.built("timm", name.model):
        arguments["act_layer"] = publishers.built("timm", name.model)["activation"]
    size = name.choice("size")
    if size:
        # Networks that take any size have no such argument.
        with contextlib.suppress(TypeError):
            made: nn.Module = timm.create_model(name.model, img_size=int(size), **arguments)
            return made
    made = timm.create_model(name.model, **arguments)
    return made


def finish(network: nn.Module, name: Name) -> None:
    """Removes the head and sets the pooling of ``name``. Raises one of ``REFUSES`` if the network cannot do it."""
    if name.choice("head"):
        return
    pool = name.choice("pool") or publishers.built("timm", name.model).get("pool", "")
    if pool == "token" and getattr(network, "cls_token", None) is None:
        raise ValueError("there is no class token")
    more = {"global_pool": pool} if pool else {}
    network.reset_classifier(0, **more)  # type: ignore[operator]


def build(name: Name, **arguments: Any) -> nn.Module:
    """The network that gives vectors, with random weights."""
    if name.choice("head"):
        return create(name, **arguments)
    network = create(name, num_classes=0, **arguments)
    if name.choice("pool") or "pool" in publishers.built("timm", name.model):
        finish(network, name)
    return network


def check_choices(name: Name, settings: dict[str, Any]) -> None:
    """Refuses choices that the configuration published with the weights excludes.

    Raises:
        ConfigError: the model does not offer a choice, or makes it by default.
    """
    size, side = name.choice("size"), tuple(settings["input_size"][1:])
    if size and side == (int(size), int(size)):
        raise refuse_default(name, "size")
    if name.choice("head"):
        if settings["num_classes"] not in PROJECTIONS:
            raise refuse(name, "head", "Its published head is not a projection; omit this choice.")
        if name.choice("pool"):
            raise ConfigError(
                "its projection works only with its own pooling",
                where=str(name),
                remedy="Choose head or pool, not both.",
            )


def measure(name: Name, size: tuple[int, int]) -> tuple[int, About]:
    """F and the description, from a network without memory that sees a picture of ``size``.

    Raises:
        ConfigError: the model does not offer a choice, or makes it by default.
    """
    import torch

    if name.choice("pool") and name.choice("pool") == own_pool(name):
        raise refuse_default(name, "pool")
    try:
        with torch.device("meta"):
            network = build(name).eval()
            parameters, multiply_adds, vectors = count(network, (1, 3, *size))
        shape = tuple(vectors.shape)
    except REFUSES as problem:
        if name.choices:
            raise refused(name, size) from None
        words = " ".join(str(problem).split())[:200]
        raise ConfigError(f"cannot be built: {words}", where=str(name), remedy="Choose another backbone.") from None
    if len(shape) != 2:
        what = f"turns a picture of {size[0]}x{size[1]} pixels into {shape[1:]} numbers, not one vector"
        raise ConfigError(what, where=str(name), remedy="Choose another backbone.")
    note = "; ".join(difference_text(difference) for difference in publishers.differences("timm", name.model))
    head = f"kept: a projection to {vectors.shape[1]}" if name.choice("head") else "left out"
    return int(vectors.shape[1]), About(
        name.choice("pool") or own_pool(name) or "its own way", head, None, None, parameters, multiply_adds, note
    )


def difference_text(difference: publishers.Difference) -> str:
    """One difference between timm and the publisher, in a line."""
    choice = difference.project.replace("`", "")
    return f"{difference.family}: {difference.library} in timm, {difference.publisher} by its publisher, here {choice}"


def refused(name: Name, size: tuple[int, int]) -> ConfigError:
    """Which choice of ``name`` its model does not offer, and what it offers."""
    pool = name.choice("pool")
    if pool:
        published = tuple(settings_of(name.model)["input_size"][1:])
        own = own_pool(name)
        offered = [value for value in POOLS if value != own and offers(name, value, published)]
        if pool not in offered:
            others = " and ".join(offered) or "nothing else"
            return refuse(name, "pool", f"It pools by {own or 'its own method'} and offers {others}.")
    return refuse(
        name, "size", f"It cannot take {size[0]}x{size[1]} pixels; try a multiple of 32 or of its patch size."
    )


def offers(name: Name, pool: str, size: tuple[int, int]) -> bool:
    """Whether the model of ``name`` can pool so."""
    import torch

    try:
        with torch.device("meta"):
            network = build(Name(name.library, name.model, (("pool", pool),))).eval()
            return bool(network(torch.empty(1, 3, *size)).ndim == 2)
    except REFUSES:
        return False


def settings_of(model: str) -> dict[str, Any]:
    """The configuration published with the weights. Raises ConfigError."""
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(model)
    if found is None:
        raise ConfigError("has no published configuration", where=f"timm:{model}", remedy="Choose another backbone.")
    return dict(found.to_dict())


def own_pool(name: Name) -> str:
    """The default pooling of the model here: timm's, or the publisher's if it differs; empty if unknown."""
    import torch

    published = publishers.built("timm", name.model).get("pool", "")
    if published:
        return published
    with torch.device("meta"):
        network = create(Name(name.library, name.model), num_classes=0)
    return pool_of(network)


def pool_of(network: nn.Module) -> str:
    """The pooling of ``network``, in timm's word; empty if it has none."""
    for holder in (network, getattr(network, "head", None)):
        found = getattr(holder, "global_pool", None)
        if found is None:
            continue
        word = found if isinstance(found, str) else getattr(found, "pool_type", "")
        if isinstance(word, str) and word:
            return word
        if "attention" in type(found).__name__.lower():
            return "map"
    return ""
