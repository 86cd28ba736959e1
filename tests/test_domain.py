import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.domain import GENRES, Clip, ClipStrategy, Shot, folder_name, is_safe_id
from trailers.errors import ConfigError


def test_there_are_ten_genres_in_the_published_order():
    assert GENRES == (
        "action", "adventure", "comedy", "crime", "drama", "fantasy", "horror", "romance", "sci-fi", "thriller",
    )  # fmt: skip


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 3)])
def test_an_impossible_shot_is_refused(start, end):
    with pytest.raises(ValueError, match=r"0 <= start < end"):
        Shot(start, end)


@pytest.mark.parametrize(
    "values", [(-1, 0, 24, 0), (0, 24, 24, 0), (0, 0, 24, -1), (0, 0, 24, 0, 24), (0, 4, 24, 0, 3)]
)
def test_an_impossible_clip_is_refused(values):
    with pytest.raises(ValueError, match="clip"):
        Clip(*values)


def test_a_clip_is_as_long_as_its_frames_and_its_padding():
    assert len(Clip(0, 24, 30, 18)) == 24


@pytest.mark.parametrize("name", ["tt0133093", "a", "_x", "A-b_c", "9" * 64])
def test_ids_of_plain_letters_are_safe(name):
    assert is_safe_id(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".",
        "-rf",
        "a/b",
        "a;b",
        "a b",
        "a.b",
        "CON",
        "con",
        "nul",
        "COM1",
        "lpt9",
        "x" * 65,
        "а",
        "tt１２３",
        "a\n",
        "a\0",
    ],
)
def test_unsafe_ids_are_refused(name):
    assert not is_safe_id(name)


@pytest.mark.parametrize(
    ("name", "kind", "frames", "fps", "step", "shown"),
    [("shot24", "shot", 24, 24, 1, 24), ("seq32", "seq", 32, 24, 1, 32), ("shot24-fps8", "shot", 24, 8, 3, 8),
     ("shot24-fps4", "shot", 24, 4, 6, 4)],
)  # fmt: skip
def test_a_clip_strategy_is_parsed(name, kind, frames, fps, step, shown):
    strategy = ClipStrategy.parse(name)
    assert (strategy.kind, strategy.frames, strategy.fps) == (kind, frames, fps)
    assert (strategy.step, strategy.shown_frames) == (step, shown)
    assert str(strategy) == name


@pytest.mark.parametrize(
    "name", ["shot", "shot0", "Shot24", "shot24-fps5", "seq32-fps1", "shot24-fps48", "shot24 ", "scene24", "../x"]
)
def test_other_clip_strategies_are_refused(name):
    with pytest.raises(ConfigError, match=r"shot24|fps"):
        ClipStrategy.parse(name)


@pytest.mark.parametrize(
    ("backbone", "folder"),
    [
        ("resnet50", "resnet50"),
        ("timm:vit_b.dino", "timm-vit_b.dino"),
        ("mine/x.py:net", "mine-x.py-net"),
        ("../../etc", "etc"),
    ],
)
def test_a_backbone_has_a_name_for_paths(backbone, folder):
    assert folder_name(backbone) == folder


# The two names of each pair had the same folder in earlier versions.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("müde.py:net", "möde.py:net"),
        ("é.py:net", "ü.py:net"),
        ("net.py:net", "../net.py:net"),
        ("../a/net.py:net", "../../a/net.py:net"),
        ("a/net.py:net", "b/net.py:net"),
        ("~/net.py:net", "net.py:net"),
        ("my net.py:net", "my-net.py:net"),
        ("a/net.py:nét", "a/net.py:nüt"),
        ("模型.py:net", "网络.py:net"),
    ],
)
def test_two_files_never_share_a_folder(one, other):
    assert folder_name(one) != folder_name(other)


@pytest.mark.parametrize(
    ("backbone", "folder"),
    [
        ("mine.py:tiny", "mine.py-tiny"),
        ("./mine.py:tiny", "mine.py-tiny"),
        ("my-nets/net.v2.py:tiny", "my-nets-net.v2.py-tiny"),
        ("/data/nets/net.py:tiny", "data-nets-net.py-tiny"),
    ],
)
def test_plain_names_of_files_keep_their_folder(backbone, folder):
    assert folder_name(backbone) == folder


@given(st.text(min_size=1))
def test_the_folder_of_a_backbone_is_never_outside_its_parent(backbone):
    try:
        name = folder_name(backbone)
    except ConfigError:
        return
    assert "/" not in name
    assert name not in (".", "..")
