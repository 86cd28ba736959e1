import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.errors import ConfigError, StoreError
from trailers.store.shards import make_shards, read_shard, shard_files

ids = st.lists(st.from_regex(r"tt\d{7}", fullmatch=True), unique=True, min_size=1, max_size=60)


def test_shards_are_consecutive_rows_named_by_their_members():
    shards = make_shards(["a", "b", "c"], size=2)
    assert shards == {"s0000-7e18f737": ("a", "b"), "s0001-2e7d2c03": ("c",)}


@given(ids, st.integers(1, 10))
def test_every_trailer_is_in_one_shard_and_none_is_too_large(trailers, size):
    shards = make_shards(trailers, size=size)
    assert [trailer for members in shards.values() for trailer in members] == trailers
    assert all(len(members) == size for members in list(shards.values())[:-1])


@given(ids, st.integers(1, 10), st.data())
def test_appended_rows_touch_only_the_last_partly_filled_shard(trailers, size, data):
    count = data.draw(st.integers(1, len(trailers)))
    before, after = make_shards(trailers[:count], size=size), make_shards(trailers, size=size)
    full = [name for name, members in before.items() if len(members) == size]
    assert all(after[name] == before[name] for name in full)


@given(ids, st.integers(1, 10), st.data())
def test_a_shard_with_other_members_has_another_name(trailers, size, data):
    gone = data.draw(st.sampled_from(trailers))
    before = make_shards(trailers, size=size)
    after = make_shards([trailer for trailer in trailers if trailer != gone], size=size)
    (holder,) = (name for name, members in before.items() if gone in members)
    assert holder not in after


def test_a_folder_stands_for_the_files_of_all_shards(tmp_path):
    other = tmp_path / "other.tsv"
    files = [other, tmp_path / "s0000-7e18f737.tsv", tmp_path / "s0001-2e7d2c03.tsv"]
    assert shard_files([other, tmp_path], "s2", ["a", "b", "c"]) == files
    assert shard_files([other], None, ["a", "b", "c"]) == [other]


@pytest.mark.parametrize("shards", [None, "", "s", "s0", "100", "s2.5", "s0000-7e18f737"])
def test_a_folder_without_letter_and_size_of_shards_is_refused(tmp_path, shards):
    with pytest.raises(ConfigError, match="and 1 trailers, but a folder of ledgers needs"):
        shard_files([tmp_path], shards, ["a"])


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"and 0 trailers, but a folder of ledgers needs .* Give --manifest"):
        shard_files([tmp_path], "s100", [])


def test_a_shard_list_that_holds_no_ids_is_refused(tmp_path):
    path = tmp_path / "s0000.txt"
    path.write_text("tt1\n../../etc/passwd\n")
    with pytest.raises(StoreError, match=r"'../../etc/passwd' is not a trailer id"):
        read_shard(path)
    path.write_text("")
    with pytest.raises(StoreError, match="empty"):
        read_shard(path)


@pytest.mark.parametrize("text", ["a\n", "b\na\n", "a\nb\nc\n"])
def test_a_shard_list_that_does_not_match_its_name_is_refused(tmp_path, text):
    path = tmp_path / "s0000-7e18f737.txt"  # of a and b
    path.write_text("a\nb\n")
    assert read_shard(path) == ["a", "b"]
    path.write_text(text)
    with pytest.raises(StoreError, match=r"do not match its name\. Remove it"):
        read_shard(path)
