"""config.yaml as a whole: any content of a YAML file or of --config is read, or refused with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

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
def test_an_empty_file_changes_nothing(folder, text):
    assert written(folder, text) == OWN


def test_without_a_file_the_config_yaml_of_the_project_is_used(folder):
    assert read_config() == OWN
    assert [path.parent for path in config_files()] == [PROJECT]


def test_sections_of_the_working_folder_override_those_of_the_project(folder):
    config = written(folder, "embed: {device: cpu}\nexperiments: {default: {backbones: [resnet50]}}\n")
    assert config["embed"] == {**OWN["embed"], "device": "cpu"}
    assert config["experiments"]["default"] == {**OWN["experiments"]["default"], "backbones": ["resnet50"]}
    assert defaults("embed")["device"] == "cpu"


def test_the_command_line_takes_precedence_over_files(folder):
    (folder / "config.yaml").write_text("shard_size: 7\nshots: {threshold: 0.3}\n")
    config = read_config({"shard_size": 3, "shots": {"min_frames": "5"}})
    assert config["shard_size"] == 3
    assert config["shots"] == {**OWN["shots"], "threshold": 0.3, "min_frames": 5}


def test_files_of_the_command_line_override_the_folders_and_are_overridden_by_its_values(folder):
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
    ],
)
def test_a_value_is_read_as_the_type_of_its_key(folder, text, place, value):
    found = written(folder, text)
    for key in place.split("."):
        found = found[key]
    assert (found, type(found)) == (value, type(value))


def test_an_alias_may_be_used_several_times(folder):
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
        ("- embed", "config.yaml: must contain keys and values"),
        ("embed", "config.yaml: must contain keys and values"),
        ("embed: 3", "config.yaml: embed: 3 is not a section of keys and values"),
        ("embed: {backbones: resnet50}", "config.yaml: embed.backbones: 'resnet50' is not a list"),
        ("embed: {backbones: [2024]}", "config.yaml: embed.backbones.0: 2024 must be text. Put it in quotes."),
        ("manifest: 2024", "config.yaml: manifest: 2024 must be text. Put it in quotes."),
        ("manifest:", "config.yaml: manifest: None must be text"),
        ('packs: "a\\nb"', r"config.yaml: packs: 'a\\nb' holds a control character"),
        ('manifest: "a\\0b"', "config.yaml: manifest: 'a.x00b' holds a control character"),
        ("shots: {threshold: .nan}", "config.yaml: shots.threshold: is not a number"),
        ("classify: {learning_rate: 1e400}", "config.yaml: classify.learning_rate: is infinite. Give a number"),
        ("normalise: {stall_s: .inf}", "config.yaml: normalise.stall_s: is infinite. Give a number"),
        ("trailer_timeout_s: .inf", "config.yaml: trailer_timeout_s: is infinite. Give a number; where you"),
        ("shard_size: 0", "config.yaml: shard_size: 0 is less than the minimum of 1"),
        ("shard_size: 20000", "config.yaml: shard_size: 20000 is greater than the maximum of 1000"),
        ("embed: {device: gpu}", "config.yaml: embed.device: 'gpu' is not a device, which is auto, cpu, cuda or the "
         "number of a GPU, such as cuda:1. Correct it"),
        ("embed: {precision: half}", "config.yaml: embed.precision: 'half' is not one of auto, float32. Correct it"),
        ("classify: {optimiser: sgd}", "'sgd' is not one of adamw_amsgrad, adamw, adam, null. Correct it"),
        ("clips: {strategies: [24shots]}", "config.yaml: clips.strategies.0: '24shots' is not a clip strategy of shot "
         "or seq and a number of frames, such as shot24, seq32 or shot24-fps8. Correct it"),
        ("clips: {strategies: [a]}", "config.yaml: clips.strategies.0: 'a' is not a clip strategy"),
        ("embed: {backbones: []}", "config.yaml: embed.backbones: is empty. Correct it"),
        ("search: {site: YouTube}", "config.yaml: search.site: 'YouTube' is not the name of one of yt-dlp's searches "
         "in lower case, such as ytsearch. Correct it"),
        ("search: {template: trailer}", "'trailer' is not a text with {title} or {original_title} in it, such as"),
        ("replicate: {record: zenodo}", "'zenodo' is not a web address with {name} for the file, such as https://exam"),
        ("experiments: {'a b': {clips: shot24, backbones: [x]}}", "config.yaml: experiments: 'a b' is not an experim"
         "ent's name of 1 to 64 ASCII letters, digits, '_', '-' and '.', such as shot24_swin. Correct it"),
        ("experiments: {../a: {clips: shot24, backbones: [x]}}", "config.yaml: experiments: '../a' is not an exper"),
        ('experiments: {"a\\n": {clips: shot24, backbones: [x]}}', "config.yaml: experiments: 'a.n' is not an exper"),
        ("experiments: {a: {clips: shot24}}", "config.yaml: experiments.a: needs the key 'backbones', which is miss"),
        ("experiments: {a: {clips: shot24, backbones: [x, x]}}", "experiments.a.backbones: .'x', 'x'. lists something"),
        ("experiments: {a: }", "config.yaml: experiments.a: has no value, expected a section of keys and values. Cor"),
        ("clips: {strategies: [24]}", "config.yaml: clips.strategies.0: 24 must be text"),
        ("classify: {learning_rate: fast}", "config.yaml: classify.learning_rate: 'fast' is not a number"),
        ("classify: {epochs: 1e-1}", "config.yaml: classify.epochs: '1e-1' is not a whole number"),
        ("classify: {epochs: 1e300}", "config.yaml: classify.epochs: '1e300' is not a whole number"),
        ("clasify: {epochs: 3}", "the key 'clasify' is unknown. Did you mean 'classify'?"),
        ("3: 4", "the key '3' is unknown"),
    ],
)  # fmt: skip
def test_invalid_yaml_is_refused_with_its_line(folder, text, words):
    with pytest.raises(ConfigError) as caught:
        written(folder, text)
    assert re.search(words.replace("?", r"\?").replace("[", r"\["), str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def rules_in(schema: object) -> Iterator[dict]:
    if isinstance(schema, dict):
        yield schema
    for below in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from rules_in(below)


def test_every_pattern_of_a_schema_has_a_description_with_an_example():
    described = [
        rule.get("description", "")
        for path in (PROJECT / "workflow/schemas").glob("*.yaml")
        for rule in rules_in(yaml.safe_load(path.read_text()))
        if isinstance(rule.get("pattern"), str)
    ]
    assert len(described) == 11
    assert all(" such as " in words for words in described)


@pytest.mark.parametrize("path", ["~/packs", "-packs", "-"])
def test_a_path_is_relative_to_the_folder_and_a_tilde_means_home(folder, monkeypatch, path):
    monkeypatch.setenv("HOME", "/home/x y")
    found = read_config({"packs": path, "embed": {"weights_dir": path}})
    wanted = path.replace("~", "/home/x y") if path.startswith("~") else str(folder / path)
    assert found["packs"] == found["embed"]["weights_dir"] == wanted
