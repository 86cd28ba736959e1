import argparse
from dataclasses import dataclass

import pytest
import yaml

from trailers.config import check_config
from trailers.errors import ConfigError
from trailers.settings import add_flags, flags, from_flags, from_section, setting
from trailers.stages.download import Settings
from trailers.web.patience import Effort


@dataclass(frozen=True)
class Example:
    """what the tests set"""

    height: int | None = setting("px")
    share: float = setting("of the whole")
    strict: bool = setting("whether to be strict")
    names: tuple[str, ...] = setting("some names")


SECTION = {"height": 480, "share": 0.5, "strict": True, "names": ["a b", "c;d"], "other": 1}


def test_a_section_becomes_quoted_flags():
    assert flags(Example, SECTION) == "--height 480 --share 0.5 --strict true --names 'a b' 'c;d'"


def test_null_is_written_as_none():
    assert flags(Example, {**SECTION, "height": None, "names": []}) == "--height none --share 0.5 --strict true --names"


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="'share' is missing"):
        flags(Example, {"height": 1})


def parse(words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_flags(parser, Example, "no such section")
    return from_flags(Example, parser.parse_args(words))


def test_settings_survive_the_way_through_flags():
    assert parse(["--height", "none", "--share", "0.25", "--strict", "false", "--names", "x", "y"]) == Example(
        None, 0.25, False, ("x", "y")
    )
    assert from_section(Example, SECTION) == Example(480, 0.5, True, ("a b", "c;d"))


def test_a_bool_is_true_or_false():
    with pytest.raises(argparse.ArgumentError, match="neither true nor false"):
        parse(["--strict", "yes"])


def test_the_help_shows_defaults_as_config_yaml_writes_them():
    parser = argparse.ArgumentParser(prog="x")
    add_flags(parser, Effort, "download")
    shown = parser.format_help()
    assert "download: access and retries (do not change the receipt):" in shown
    assert "--proxy PROXY" in shown
    assert "(default: null)" in shown
    parser = argparse.ArgumentParser(prog="x")
    add_flags(parser, Settings, "download")
    assert "--enforce-quality true|false" in parser.format_help()
    assert "exclude videos outside these limits (default: false)" in " ".join(parser.format_help().split())


def config_of(project):
    return yaml.safe_load((project / "config.yaml").read_text())


def test_the_projects_own_config_fits_its_schema(project):
    check_config(config_of(project), project / "workflow/schemas/config.schema.yaml")


def test_a_misspelt_key_is_refused_with_the_right_one(project):
    config = config_of(project)
    config["shots"]["treshold"] = config["shots"].pop("threshold")
    with pytest.raises(
        ConfigError, match=r"config\.yaml: the key 'shots\.treshold' is unknown\. Did you mean 'threshold'\?"
    ):
        check_config(config, project / "workflow/schemas/config.schema.yaml")


def test_a_wrong_value_is_named_with_its_place(project):
    config = config_of(project)
    config["shots"]["threshold"] = 1.5
    with pytest.raises(ConfigError, match=r"shots\.threshold: 1\.5"):
        check_config(config, project / "workflow/schemas/config.schema.yaml")


def test_text_from_the_command_line_is_read_as_the_type_of_the_schema(project):
    config = config_of(project)
    config["shots"].update(threshold="0.9", min_frames="3")
    config["download"].update(enforce_quality="true", proxy="null")
    check_config(config, project / "workflow/schemas/config.schema.yaml")
    assert (config["shots"]["threshold"], config["shots"]["min_frames"]) == (0.9, 3)
    assert config["download"]["enforce_quality"] is True
