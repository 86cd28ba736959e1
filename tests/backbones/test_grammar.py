"""The grammar of names: LIBRARY:MODEL?CHOICE=VALUE&CHOICE=VALUE."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.backbones import names
from trailers.backbones.names import LIBRARIES, TWO_PARTS, Library, Name, parse
from trailers.backbones.rows import check_name, is_of_library
from trailers.domain import canonical_name, folder_name
from trailers.errors import ConfigError

VIT = "timm:vit_small_patch14_dinov2.lvd142m"


@pytest.fixture(scope="module", autouse=True)
def every_choice() -> Iterator[None]:
    """A library whose models offer every choice, and one whose names have two parts."""
    with pytest.MonkeyPatch.context() as patch:
        every = dataclasses.replace(LIBRARIES["timm"], choices=("head", "layer", "pool", "size"))
        patch.setitem(LIBRARIES, "timm", every)
        patch.setitem(LIBRARIES, "hub", Library(TWO_PARTS, ("pool",), "hub:org/repository"))
        yield


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (VIT, Name("timm", "vit_small_patch14_dinov2.lvd142m")),
        (f"{VIT}?size=224", Name("timm", "vit_small_patch14_dinov2.lvd142m", (("size", "224"),))),
        (
            f"{VIT}?size=224&pool=token",
            Name("timm", "vit_small_patch14_dinov2.lvd142m", (("pool", "token"), ("size", "224"))),
        ),
        ("torchvision:resnet50.IMAGENET1K_V1", Name("torchvision", "resnet50.IMAGENET1K_V1")),
        ("hub:org/repo-2.1?pool=avg", Name("hub", "org/repo-2.1", (("pool", "avg"),))),
        ("resnet50", None),
        ("my.py:net", None),
        ("/data/my.py:net", None),
        ("", None),
        ("timm", None),
        ("keras:vgg16", None),
    ],
)
def test_a_name_is_parsed_into_library_model_and_choices(text: str, parts: Name | None) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("timm:", "timm:: '' cannot be a model of timm. Write a name such as timm:vit_base_patch14_dinov2.lvd142m."),
        (
            "timm:../x",
            "timm:../x: '../x' cannot be a model of timm. Write a name such as timm:vit_base_patch14_dinov2.lvd142m.",
        ),
        ("hub:repo", "hub:repo: 'repo' cannot be a model of hub. Write a name such as hub:org/repository."),
        ("timm:a?", "timm:a?: timm has no choice ''. Its choices are head, layer, pool, size."),
        ("timm:a?pol=avg", "timm:a?pol=avg: timm has no choice 'pol'. Did you mean pool?"),
        ("timm:a?depth=3", "timm has no choice 'depth'. Its choices are head, layer, pool, size."),
        ("timm:a?size=224&size=448", "the choice size is given more than once. Keep one."),
        ("timm:a?size=224&size=224", "the choice size is given more than once. Keep one."),
        ("timm:a?size=0", "size cannot be '0'. It is the side of the square"),
        ("timm:a?size=0224", "size cannot be '0224'"),
        ("timm:a?size=9999", "size cannot be '9999'"),
        ("timm:a?size=", "size cannot be ''"),
        ("timm:a?pool=AVG", "pool cannot be 'AVG'"),
        ("timm:a?head=drop", "head cannot be 'drop'"),
        ("timm:a?layer=-1", "layer cannot be '-1'"),
        ("timm:a?pool=avg?size=224", "pool cannot be 'avg?size=224'"),
        (
            "torchvision:resnet50?size=224",
            "torchvision has no choice 'size'. Remove the question mark and what follows it.",
        ),
    ],
)
def test_an_invalid_name_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_name(text)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{text}: ")
    assert not is_of_library(text)


def test_the_order_of_choices_does_not_matter() -> None:
    one, other = f"{VIT}?size=224&pool=avg&head=keep", f"{VIT}?head=keep&size=224&pool=avg"
    assert canonical_name(one) == canonical_name(other) == f"{VIT}?head=keep&pool=avg&size=224"
    assert folder_name(one) == folder_name(other)
    assert parse(one) == parse(other)


@pytest.mark.parametrize("name", ["resnet50", "my.py:net", "my?b=1&a=2.py:net", VIT, "../x?b=1&a=2"])
def test_a_name_without_choices_is_canonical(name: str) -> None:
    assert canonical_name(name) == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        (VIT, "timm-vit_small_patch14_dinov2.lvd142m"),
        (f"{VIT}?size=224", "timm-vit_small_patch14_dinov2.lvd142m+size-224"),
        (f"{VIT}?size=224&pool=avg", "timm-vit_small_patch14_dinov2.lvd142m+pool-avg+size-224"),
        ("torchvision:resnet50.IMAGENET1K_V1", "torchvision-resnet50.IMAGENET1K_V1"),
        ("transformers:facebook/vjepa2-vitl-fpc64-256", "transformers-facebook++vjepa2-vitl-fpc64-256"),
        ("open_clip:ViT-B-32/openai?pool=avg", "open_clip-ViT-B-32++openai+pool-avg"),
    ],
)
def test_a_name_determines_its_folder(name: str, folder: str) -> None:
    assert folder_name(name) == folder


PART = st.from_regex(names.PLAIN, fullmatch=True)
MODEL = st.one_of(PART, st.tuples(PART, PART).map("/".join))
CHOICES = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_.-]{1,6}", fullmatch=True), max_size=3
)
NAME = st.builds(
    lambda library, model, choices: str(Name(library, model, tuple(sorted(choices.items())))),
    st.sampled_from(["timm", "torchvision", "transformers", "open_clip"]), MODEL, CHOICES,
)  # fmt: skip


@given(NAME, NAME)
def test_two_names_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


@given(NAME)
def test_the_name_can_be_recovered_from_its_folder(name: str) -> None:
    """So no information is lost; the reverse rules are short."""
    library, _, rest = folder_name(name).partition("-")
    rest = rest.replace("++", "/")
    model, plus, choices = rest.partition("+")
    parts = [part.replace("-", "=", 1) for part in choices.split("+")] if plus else []
    assert f"{library}:{model}" + (f"?{'&'.join(parts)}" if parts else "") == name


@given(st.text(max_size=40))
def test_any_text_is_parsed_as_a_name_or_refused_in_one_sentence(text: str) -> None:
    for start in ("timm:", "hub:", ""):
        try:
            found = parse(start + text)
        except ConfigError:
            continue
        assert found is None or parse(str(found)) == found
