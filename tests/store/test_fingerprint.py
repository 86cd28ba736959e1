from dataclasses import dataclass

from trailers.store.fingerprint import fingerprint, sha256_of


@dataclass(frozen=True)
class Settings:
    threshold: float
    head: str


def test_a_fingerprint_is_the_same_on_every_machine_at_any_time():
    # Written out, so that a change of the digest, which would redo everything, cannot slip in.
    assert fingerprint("shots/1", Settings(0.5, "single"), "abc") == "aaa06041aa9c8ac1"


def test_every_input_and_setting_changes_the_fingerprint():
    base = fingerprint("shots/1", Settings(0.5, "single"), "abc")
    others = [
        fingerprint("shots/2", Settings(0.5, "single"), "abc"),
        fingerprint("shots/1", Settings(0.4, "single"), "abc"),
        fingerprint("shots/1", Settings(0.5, "many"), "abc"),
        fingerprint("shots/1", Settings(0.5, "single"), "abd"),
        fingerprint("shots/1", Settings(0.5, "single"), "a", "bc"),
    ]
    assert len({base, *others}) == 6


def test_the_order_of_a_mapping_does_not_change_the_fingerprint():
    assert fingerprint("x/1", {"a": 1, "b": 2}) == fingerprint("x/1", {"b": 2, "a": 1})


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_of(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
