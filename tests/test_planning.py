"""Errors that Snakemake reports before its first job, and commands that messages and docs print."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from snakemake.cli import parse_config

import workflow_lab as lab
from fault_lab import mounted
from trailers.__main__ import all_commands, main, make_parser
from trailers.config import read_config
from trailers.domain import Clip
from trailers.errors import ConfigError
from trailers.plan.checks import check_study
from trailers.plan.remarks import remarks
from trailers.plan.studies import make_plan
from trailers.project import PROJECT
from trailers.store.embeddings import write_embedding

RANDOM = "random-seed-0"  # in place of a digest of weights
MANIFEST = "trailer,url,genres,split0\na,videos/a.mp4,action,0\n"
OWN = """
from trailers.backbones.row import Row, Transform, Weights
net = Row("", "own", "net", 2, 6, Transform((9,), (8, 8), (0.5,) * 3, (0.5,) * 3), Weights("mine", "net.pth"), make=int)
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    (tmp_path / "net.py").write_text(OWN)
    (tmp_path / "bad.py").write_text("def x(:\n")
    return tmp_path


def refusals(folder: Path, *words: str) -> list[str]:
    """The errors of a run that is refused before its first job."""
    done = lab.snakemake(folder, *words, check=False)
    assert done.returncode != 0, done.stderr
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert "Error in" not in text
    assert not (folder / "results" / "ledger").exists()
    return re.findall(r"^error: (.*)$", text, re.MULTILINE) or [text]


# Wrong setting -> the beginnings of the error messages.
REFUSED = {
    "manifest=none.csv": ["none.csv: no such manifest. Write one with"],
    "clips={strategies: [shot24-fps7]}": ["config.yaml, clips: clip strategy 'shot24-fps7': 7 fps must divide 24"],
    "experiments={a: {clips: shot25-fps12, backbones: [resnet50]}}": ["config.yaml, experiments, a: clip strategy"],
    "experiments={a b: {clips: shot24, backbones: [resnet50]}}": ["config.yaml: experiments: 'a b' is not an exper"],
    "experiments={vgg16: {clips: shot24, backbones: [swin4d]}}": ["config.yaml, experiments, vgg16: no backbone is"],
    "embed={backbones: [resnet50, swin3d_t]}": [
        "weights/resnet50-0676ba61.pth: the weights of resnet50 are missing. Run `snakemake weights`",
        "weights/swin3d_t-7615ae03.pth: the weights of swin3d_t are missing. Run `snakemake weights`",
    ],
    "embed={backbones: ['net.py:net']}": ["weights/net.pth: the weights of 'net.py:net' are missing"],
    "embed={backbones: ['none.py:net']}": ["backbone 'none.py:net': "],
    "embed={backbones: ['bad.py:net']}": ["bad.py, line 1: is not valid Python"],
    "embed={backbones: ['a/n.py:x', a-n.py:x]}": [
        "backbones: 'a/n.py:x' and 'a-n.py:x' would share the folder a-n.py-x"
    ],
    "embed={device: cuda}": ["config.yaml, embed.device: 'cuda' is requested, but no GPU was found on this machine"],
    "packs=no packs; touch X": ["config.yaml, packs: 'no packs; touch X' is not a directory"],
    "packs=a{b}": ["config.yaml, packs: 'a{b}': Snakemake reads text in braces as a wildcard"],
    "study=none.yaml": ["config.yaml, study: 'none.yaml' is not a file"],
    "download={cookies: none.txt}": ["config.yaml, download.cookies: 'none.txt' is not a file. Name a cookies.txt"],
    "shots={detector: none}": ["shots.detector: 'none' is not known. Use transnetv2, content or a function"],
    "download={min_height: 5000}": ["a minimum is above its maximum: height 5000 to 720 px"],
}


def sentences(*words: str) -> list[str]:
    """The errors that the checks of the plan find in the working folder."""
    try:
        plan = make_plan(read_config(parse_config(words)), PROJECT)
    except ConfigError as problem:
        return [str(problem)]
    return [str(problem) for problem in check_study(plan, plan.users, runs_here=True)]


@pytest.mark.parametrize("config", REFUSED)
def test_errors_that_planning_can_find_are_reported_before_the_first_job(folder, monkeypatch, config):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = sentences(config)
    assert [one[: len(words)] for one, words in zip(found, REFUSED[config], strict=True)] == REFUSED[config]
    assert not any("\n" in one for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["manifest=none.csv", "shots={threshold: 2}", "embed={backbones: [resnet50]}"])
def test_snakemake_prints_only_that_sentence(folder, config, monkeypatch):
    found = refusals(folder, "--config", config)
    monkeypatch.chdir(folder)
    assert found == sentences(config)


def test_weights_are_not_required_if_all_vectors_exist(folder, monkeypatch):
    monkeypatch.chdir(folder)
    plan = make_plan(read_config({"embed": {"backbones": ["resnet50"]}}), PROJECT)
    assert len(check_study(plan, plan.users, runs_here=False)) == 1
    for ledger in plan.users.all_ledgers():
        Path(ledger).parent.mkdir(parents=True, exist_ok=True)
        Path(ledger).touch()
    assert check_study(plan, plan.users, runs_here=False) == []


def test_random_weights_need_no_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert sentences("embed={backbones: [resnet50, 'net.py:net'], random_weights: true}") == []


def test_a_disk_that_is_too_small_is_reported_unless_check_disk_is_false(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(20_000_000))
    assert [one.partition(": ")[2] for one in sentences()] == [
        "20.0 MB are free, but 1 trailers of 122 s take about 38.8 MB. Free some space, or set `check_disk: false` in "
        "config.yaml if your trailers are much shorter."
    ]
    assert sentences("check_disk=false") == []
    (folder / "results/normalise").mkdir(parents=True)
    (folder / "results/normalise/a.mp4").touch()
    assert sentences() == []


SHARED = "".join(f"a{n},https://host/{n},,0\nb{n},http://host/{n}#t=3,,2\n" for n in range(7))


def test_trailers_of_one_video_are_reported_and_do_not_stop_the_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "manifest.csv").write_text(MANIFEST + SHARED)
    plan = make_plan(read_config(), PROJECT)
    assert remarks(plan, plan.users) == [
        *(
            f"manifest.csv: a{n}, b{n} have the same video, but split0 has a{n} in train, b{n} in test"
            for n in range(5)
        ),
        "manifest.csv: 2 more videos that several trailers share",
    ]


@pytest.mark.parametrize(
    ("value", "made_with", "words"),
    [
        (True, "0" * 64, "is true, so vectors made with published weights will be made again with random ones"),
        (False, RANDOM, "is false, so vectors made with random weights will be made again with published ones"),
        (True, RANDOM, ""),
        (False, "0" * 64, ""),
    ],
)
def test_vectors_that_random_weights_make_again_are_announced(folder, monkeypatch, value, made_with, words):
    monkeypatch.chdir(folder)
    (folder / "manifest.csv").write_text(MANIFEST + "b,videos/b.mp4,,\n")
    plan = make_plan(read_config({"embed": {"random_weights": value, "backbones": ["resnet50", "swin3d_t"]}}), PROJECT)
    for trailer in ("a", "b", "of-another-manifest"):
        path = plan.layout.embedding("shot24", "resnet50", trailer)
        write_embedding(path, np.eye(2, dtype=np.float32), [Clip(0, 0, 24, 0)] * 2, {"weights_sha256": made_with})
    remark = f"config.yaml, embed.random_weights: {words}, which replace them: shot24/resnet50 (2 trailers)"
    assert remarks(plan, plan.users) == ([remark] if words else [])


@pytest.mark.slow
def test_snakemake_reports_trailers_of_one_video(folder):
    (folder / "manifest.csv").write_text(MANIFEST + SHARED)
    done = lab.snakemake(folder, "-n", "--config", "embed={random_weights: true}")
    assert (
        done.stderr.count("warning: manifest.csv: a0, b0 have the same video, but split0 has a0 in train, b0 in test")
        == 1
    )


def test_results_that_are_a_file_are_reported(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "results").touch()
    assert sentences() == ["results: is not a directory. Move it away, because a run writes there."]


def test_results_that_are_a_broken_link_are_reported(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "results").symlink_to("scratch/run")
    assert sentences() == [
        "results: is a link to 'scratch/run', which does not exist. Mount or make that folder, or remove the link."
    ]


@pytest.mark.parametrize("name", ["results", "results/embed", "results/ledger", "logs"])
def test_a_folder_that_cannot_be_written_is_reported(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    with mounted(folder / name, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        assert sentences() == [
            f"{folder / name}: cannot be written. Use a folder that can be written, or change its permissions."
        ]


def test_a_complete_study_may_be_on_a_read_only_disk(folder, monkeypatch):
    monkeypatch.chdir(folder)
    plan = make_plan(read_config(), PROJECT)
    for ledger in plan.users.ledgers("download"):
        Path(ledger).parent.mkdir(parents=True)
        Path(ledger).touch()
    with mounted(folder / "results/download", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        assert sentences() == []


@pytest.mark.slow
def test_a_read_only_working_folder_is_reported_by_snakemake_and_by_doctor(folder, monkeypatch, capsys):
    with mounted(folder / "here", "-t", "tmpfs", "-o", "ro", "tmpfs") as here:
        words = "cannot be written. Use a folder that can be written, or change its permissions."
        assert refusals(here, "--dry-run") == [f"{here}: {words}"]
        monkeypatch.chdir(here)
        assert main(["doctor", "--results", str(folder / "results")]) == 1
        assert f"bad   folder       {here}: {words}\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_duplicate_key_in_a_file_of_configfile_is_reported(folder):
    path = folder / "twice.yaml"
    path.write_text("shard_size: 3\nshots:\n  threshold: 0.4\nshard_size: 4\n")
    assert refusals(folder, "--dry-run", "--configfile", str(path)) == [
        f"{path}, line 4: is not valid YAML: the key 'shard_size' occurs twice. Correct it."
    ]


@pytest.mark.slow
def test_a_template_of_the_command_line_is_computed_by_snakemake(folder):
    path = folder / "template.yaml"
    path.write_text("__use_yte__: true\nembed:\n  ?if 1 < 2:\n    random_weights: true\nshard_size: ?1 + 1\n")
    assert lab.planned(folder, "--configfile", str(path))["embed"] == 1


@pytest.mark.slow
def test_dry_runs_of_the_demo_need_no_manifest(tmp_path):
    assert lab.planned(tmp_path, "demo")["report_demo"] == 1


@pytest.mark.slow
def test_the_printed_command_downloads_the_weights(tmp_path):
    done = subprocess.run(
        lab.command(tmp_path, "weights"), capture_output=True, text=True, check=False, env=lab.environment()
    )
    assert done.returncode == 0, done.stderr
    assert "weights: efficientnet_lite0: present, sha256" in (tmp_path / "logs" / "weights.log").read_text()


def test_one_failed_shard_does_not_stop_the_others(tmp_path):
    from snakemake.cli import parse_args

    _, arguments = parse_args(["--snakefile", str(lab.PROJECT / "Snakefile")])
    assert (arguments.keep_going, arguments.rerun_incomplete) == (True, True)


def texts() -> list[tuple[str, str]]:
    """Name and text of all files with text for users: pages, comments of the configuration, messages in the code."""
    paths = [*lab.PROJECT.glob("*.md"), *lab.PROJECT.glob("docs/**/*.md"), lab.PROJECT / "config.yaml"]
    paths += [*lab.PROJECT.glob("workflow/**/*.yaml"), *lab.PROJECT.glob("src/**/*.py")]
    return [(str(path.relative_to(lab.PROJECT)), path.read_text()) for path in sorted(paths)]


def printed(program: str) -> list[str]:
    """Every printed command with ``program``, inline or in a block, without prompt, comment and redirection."""
    found = []
    for _, text in texts():
        joined = re.sub(r"\\\n\s*", " ", text)
        lines = re.findall(rf"`(?:envs/run )?({program} [^`\n]+)`", joined)
        lines += re.findall(rf"^\s*(?:\$ )?(?:envs/run )?({program} [^`\n]+)$", joined, re.MULTILINE)
        found += [re.split(r"\s+(?:#|->|>|\|)", line)[0].rstrip(".:, ") for line in lines]
    return sorted(set(found))


PLACEHOLDER = re.compile(r"[A-Z][A-Z_+/0-9-]*|\.\.\.|…")


@pytest.mark.parametrize("line", printed("snakemake"))
def test_every_printed_snakemake_command_is_valid(line, monkeypatch):
    from snakemake.cli import parse_args

    monkeypatch.chdir(lab.PROJECT)
    words = [word for word in shlex.split(line)[1:] if not PLACEHOLDER.fullmatch(word)]
    _, arguments = parse_args(["--snakefile", str(lab.PROJECT / "Snakefile"), *words])
    rules = re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", "".join(
        path.read_text() for path in [lab.PROJECT / "Snakefile", *lab.PROJECT.glob("workflow/rules/*.smk")]
    ), re.MULTILINE)  # fmt: skip
    assert [word for word in arguments.targets if word not in rules and not word.startswith("results/")] == []


@pytest.mark.parametrize("line", printed("python -m trailers"))
def test_every_printed_command_of_the_project_is_valid(line):
    words = shlex.split(line)[3:]
    if not words or PLACEHOLDER.fullmatch(words[0]):
        return
    assert words[0] in make_parser()[1], line
    parser = argparse.ArgumentParser(allow_abbrev=False)
    importlib.import_module(all_commands()[words[0]][1]).add_flags(parser)
    # The words after -- belong to another program.
    own = words[1 : words.index("--")] if "--" in words else words[1:]
    given = {word.partition("=")[0] for word in own if word.startswith("--")}
    assert given <= set(parser._option_string_actions), line


def test_every_path_and_name_in_a_shell_command_is_quoted():
    """The other fields are numbers, and flags that ``shlex`` has quoted."""
    commands = list(lab.rule_commands().values())
    fields = {field for command in commands for field in re.findall(r"(?<!\{)\{([a-z][\w.\[\]]*)\}(?!\})", command)}
    quoted_by_python = {"flags", "ledgers", "more", "backbones", "links_of", "packs", "archives", "metadata", "shown"}
    plain = {"resources.how", "resources.gpu", "params.prefix", "threads"}
    assert len(commands) > 15
    assert fields <= plain | {f"params.{name}" for name in quoted_by_python}


@pytest.mark.parametrize(
    ("words", "limit"), [((), 2), (("--resources", "gpu=4"), 2), (("--resources", "network=5"), 5)]
)
def test_two_downloads_run_at_once_unless_the_run_says_otherwise(folder, words, limit):
    done = lab.snakemake(folder, "--until", "shard_list", *words)
    assert re.findall(r"""Provided resources: .*Resource\("network", (\d+)\)""", done.stdout + done.stderr) == [
        str(limit)
    ]
