"""config.yaml as a whole: whatever a YAML file or --config can hold is understood, or refused by its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trailers.config import config_files, defaults, read_config
from trailers.errors import ConfigError
from trailers.project import PROJECT
from trailers.yaml_file import read_yaml

OWN = read_yaml(PROJECT / "config.yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str | bytes) -> dict:
    """The configuration of a folder whose config.yaml is ``text``."""
    (folder / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config()


@pytest.mark.parametrize(
    "text", ["", "# comments\n# only\n", "---\n", "null\n", "embed:\n", "\ufeff# a byte order mark"]
)
def test_a_file_that_says_nothing_changes_nothing(folder, text):
    assert written(folder, text) == OWN


def test_without_a_file_the_projects_own_holds(folder):
    assert read_config() == OWN
    assert [path.parent for path in config_files()] == [PROJECT]


def test_sections_of_the_working_folder_add_to_the_projects(folder):
    config = written(folder, "embed: {device: cpu}\nexperiments: {default: {backbones: [resnet50]}}\n")
    assert config["embed"] == {**OWN["embed"], "device": "cpu"}
    assert config["experiments"]["default"] == {**OWN["experiments"]["default"], "backbones": ["resnet50"]}
    assert defaults("embed")["device"] == "cpu"


def test_the_command_line_goes_before_the_files(folder):
    (folder / "config.yaml").write_text("shard_size: 7\nshots: {threshold: 0.3}\n")
    config = read_config({"shard_size": 3, "shots": {"min_frames": "5"}})
    assert config["shard_size"] == 3
    assert config["shots"] == {**OWN["shots"], "threshold": 0.3, "min_frames": 5}


def test_files_of_the_command_line_go_in_their_order_between_the_folders_and_its_values(folder):
    (folder / "config.yaml").write_text("shard_size: 7\nshots: {threshold: 0.3}\n")
    (folder / "a.yaml").write_text("shard_size: 5\nexperiments: {010: {clips: shot24, backbones: [resnet50]}}\n")
    (folder / "b.json").write_text('{\n\t"shard_size": 4,\n\t"shots": {"min_frames": 2}\n}\n')
    config = read_config({"shots": {"head": "many"}}, files=[Path("a.yaml"), Path("b.json")])
    assert config["shard_size"] == 4
    assert config["shots"] == {**OWN["shots"], "threshold": 0.3, "min_frames": 2, "head": "many"}
    assert set(config["experiments"]) == {"default", "010"}


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("classify: {learning_rate: 1e-3}", "classify.learning_rate", 0.001),
        ("classify: {learning_rate: 5E-4}", "classify.learning_rate", 0.0005),
        ("classify: {learning_rate: '0.01'}", "classify.learning_rate", 0.01),
        ("classify: {weight_decay: '1e-2'}", "classify.weight_decay", 0.01),
        ("classify: {weight_decay: none}", "classify.weight_decay", None),
        ("classify: {optimiser: 'null'}", "classify.optimiser", None),
        ("classify: {epochs: 12.0}", "classify.epochs", 12),
        ("classify: {epochs: 1e2}", "classify.epochs", 100),
        ("shard_size: '50.0'", "shard_size", 50),
        ("classify: {epochs: '12'}", "classify.epochs", 12),
        ("experiments: {default: {learning_rate: 1e-3}}", "experiments.default.learning_rate", 0.001),
        ("demo: {demo: {learning_rate: 1e-3}}", "demo.demo.learning_rate", 0.001),
        ("clips: {histogram_bins: '16'}", "clips.histogram_bins", 16),
        ("download: {enforce_quality: 'True'}", "download.enforce_quality", True),
        ("download: {proxy: none}", "download.proxy", None),
        ("normalise: {short_side: 'null'}", "normalise.short_side", None),
        ('{\n\t"packs": "a/b \\u00e9 \\ud83c\\udfac"\n}', "packs", "a/b é 🎬"),
        ("packs: none", "packs", None),
        ("packs: 2024-01-01", "packs", "2024-01-01"),
        ("packs: my packs; touch X", "packs", "my packs; touch X"),
        ('packs: "it\'s $(x) `y` {z} \\" é"', "packs", "it's $(x) `y` {z} \" é"),
        ("trailer_timeout_s: 1_000", "trailer_timeout_s", 1000),
        ("trailer_timeout_s: .inf", "trailer_timeout_s", float("inf")),
    ],
)
def test_a_value_is_read_as_the_type_it_has_to_have(folder, text, place, value):
    found = written(folder, text)
    for key in place.split("."):
        found = found[key]
    assert (found, type(found)) == (value, type(value))


def test_what_an_alias_stands_for_may_occur_often(folder):
    rows = written(folder, "experiments:\n  y: &a {clips: shot24, backbones: [resnet50]}\n  z: *a\n")["experiments"]
    assert rows["y"] == rows["z"] == {"clips": "shot24", "backbones": ["resnet50"]}


def test_names_of_experiments_are_text_as_written(folder):
    row = "{clips: shot24, backbones: [resnet50]}"
    config = written(folder, "experiments:\n" + "".join(f"  {name}: {row}\n" for name in ("2024", "010", "1.0", "yes")))
    assert set(config["experiments"]) == {"default", "2024", "010", "1.0", "yes"}
    assert "2024" in read_config({"experiments": {2024: {"clips": "shot24", "backbones": ["resnet50"]}}})["experiments"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("embed:\n  backbones: [a\nx: 1", "config.yaml, line 3: is not valid YAML: expected ',' or ']'"),
        ("shard_size: 3\n\tx: 1", "config.yaml, line 2: is not valid YAML: found character"),
        (
            "embed:\n  device: cpu\nembed:\n  precision: auto\n",
            "config.yaml, line 3: is not valid YAML: the key",
        ),
        ("a: 1\n---\nb: 2\n", "config.yaml, line 2: is not valid YAML"),
        ("a: !!python/object/apply:os.getpid []", "config.yaml, line 1: is not valid YAML"),
        ("a: *b", "config.yaml, line 1: is not valid YAML"),
        ("? [a, b]\n: 1\n", "config.yaml, line 1: is not valid YAML: a key must be plain text"),
        (b"a: \xff\xfe\n", "config.yaml, line 1: byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"# one\r\n# two\rmanifest: caf\xe9.csv\n", "config.yaml, line 3: byte 0xe9 is not UTF-8"),
        (
            b"\xff\xfe" + "# é\nx: \ud800.csv".encode("utf-16-le", "surrogatepass"),
            "config.yaml, line 2: byte 0x00 is not",
        ),
        ("a: 1\nb: \x00\n", r"config.yaml, line 2: is not valid YAML: the character U.0000 is not allowed"),
        ("a: \x85b\nc: \x07\n", r"config.yaml, line 3: is not valid YAML: the character U.0007 is not allowed"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "config.yaml: the key 'c' occurs twice"),
        ('{"a": [}', "config.yaml, line 1: is not valid YAML"),
        ("a: &a [*a]", r"config.yaml: contains itself, or is nested more than 20 levels deep"),
        ("x: &x {y: {z: *x}}\nembed: *x", r"config.yaml: contains itself, or is nested more than 20 levels deep"),
        ("embed: " + "[" * 30 + "]" * 30, r"config.yaml: contains itself, or is nested more than 20 levels deep"),
        ("- embed", "config.yaml: must hold keys and values"),
        ("embed", "config.yaml: must hold keys and values"),
        ("embed: 3", "config.yaml: embed: 3 is not of type 'object'"),
        ("embed: {backbones: resnet50}", "config.yaml: embed.backbones: 'resnet50' is not of type 'array'"),
        ("embed: {backbones: [2024]}", "config.yaml: embed.backbones.0: 2024 must be text. Put it in quotes."),
        ("manifest: 2024", "config.yaml: manifest: 2024 must be text. Put it in quotes."),
        ("manifest:", "config.yaml: manifest: None must be text"),
        ('packs: "a\\nb"', r"config.yaml: packs: 'a\\nb' holds a control character"),
        ('manifest: "a\\0b"', "config.yaml: manifest: 'a.x00b' holds a control character"),
        ("shots: {threshold: .nan}", "config.yaml: shots.threshold: is not a number"),
        ("shard_size: 0", "config.yaml: shard_size: 0 is less than the minimum of 1"),
        ("shard_size: 20000", "config.yaml: shard_size: 20000 is greater than the maximum of 1000"),
        ("embed: {device: gpu}", "config.yaml: embed.device: 'gpu' does not match"),
        ("experiments: {'a b': {clips: shot24, backbones: [x]}}", "config.yaml: experiments: 'a b' does not match"),
        ("experiments: {../a: {clips: shot24, backbones: [x]}}", "config.yaml: experiments: '../a' does not match"),
        ('experiments: {"a\\n": {clips: shot24, backbones: [x]}}', "config.yaml: experiments: 'a.n' does not match"),
        ("experiments: {a: {clips: shot24}}", "config.yaml: experiments.a: 'backbones' is a required property"),
        ("experiments: {a: }", "config.yaml: experiments.a: has no value, expected object"),
        ("clips: {strategies: [24]}", "config.yaml: clips.strategies.0: 24 must be text"),
        ("classify: {learning_rate: fast}", "config.yaml: classify.learning_rate: 'fast' is not of type 'number'"),
        ("classify: {epochs: 1e-1}", "config.yaml: classify.epochs: '1e-1' is not of type 'integer'"),
        ("classify: {epochs: 1e300}", "config.yaml: classify.epochs: '1e300' is not of type 'integer'"),
        ("clasify: {epochs: 3}", "the key 'clasify' is unknown. Did you mean 'classify'?"),
        ("3: 4", "the key '3' is unknown"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(folder, text, words):
    with pytest.raises(ConfigError) as caught:
        written(folder, text)
    assert re.search(words.replace("?", r"\?").replace("[", r"\["), str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["~/packs", "-packs", "-"])
def test_a_path_is_given_as_programs_take_it(folder, monkeypatch, path):
    monkeypatch.setenv("HOME", "/home/x y")
    found = read_config({"packs": path, "embed": {"weights_dir": path}})
    wanted = path.replace("~", "/home/x y") if path.startswith("~") else str(folder / path)
    assert found["packs"] == found["embed"]["weights_dir"] == wanted
