"""docs/architecture.md is true: the rooms, their allowed imports, and the parts of each stage."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trailers.stages import registry

PROJECT = Path(__file__).resolve().parents[1]
SRC = PROJECT / "src" / "trailers"
STAGES = ("search", *(entry.name for entry in registry.STAGES if entry.always), "quality", "classify")
# Not commands: modules that the commands of a room share.
SHARED = {
    *("stage", "shard", "registry", "currency", "outcome", "detectors"),
    *("templates", "significance", "numbers", "local_paths", "drawing", "statistics", "inputs"),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOMS_OF_COMMANDS = ("stages", "reporting", "tools")

# A room may import rooms to its left, and itself.
ORDER = (
    {"errors", "project"},
    {"yaml_file", "domain"},
    {"config"},
    {"settings", "genres", "machine", "store", "video", "web"},
    {"detector", "backbones", "classifier", "quality"},
    {"embedding", "pages", "review"},
    {"stages"},
    {"plan"},
    {"api"},
    {"data"},
    {"reporting", "tools"},
    {"__main__"},
)
HEAVY = ("torch", "torchvision", "timm", "pytorchvideo", "transformers", "decord", "av", "matplotlib", "yt_dlp", "zarr")


def rank(room: str) -> int:
    return next(number for number, rooms in enumerate(ORDER) if room in rooms)


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Every trailers.* module that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name for name in names if name.startswith("trailers.")}


FILES = sorted(path for path in SRC.rglob("*.py") if room_of(path) not in ("bench", "__init__"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_left(path):
    own = room_of(path)
    for name in imports_of(path):
        other = name.split(".")[1]
        if other in ("__version__", own):
            continue
        assert rank(other) < rank(own) or {own, other} <= ORDER[3], f"{path.relative_to(SRC)} imports {name}"


COMMANDS = sorted(path for room in ROOMS_OF_COMMANDS for path in (SRC / room).rglob("*.py"))


def command_of(path: Path) -> str:
    """The module or package to which a file in a room of commands belongs."""
    return path.relative_to(SRC).parts[1].removesuffix(".py")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: str(path.relative_to(SRC)))
def test_stages_and_tools_meet_in_files_only(path):
    own = f"trailers.{room_of(path)}."
    others = {name.split(".")[2] for name in imports_of(path) if name.startswith(own)}
    assert others <= {*SHARED, command_of(path)}, f"{path.name} imports {own}{others - SHARED}"


def test_nothing_imports_the_benchmarks():
    assert not [path for path in FILES if any(name.startswith("trailers.bench") for name in imports_of(path))]


@pytest.mark.parametrize("room", ["detector", "backbones", "classifier", "quality"])
def test_model_rooms_use_arrays_and_never_products(room):
    for path in (SRC / room).rglob("*.py"):
        assert not any(
            name.startswith(("trailers.store.layout", "trailers.store.ledger")) for name in imports_of(path)
        ), path


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_a_rule_file_a_section_and_a_test_file(stage):
    places = SRC / "stages" / f"{stage}.py", SRC / "stages" / stage / "__init__.py"
    (module,) = filter(Path.is_file, places)
    assert (PROJECT / "workflow" / "rules" / f"{stage}.smk").is_file()
    assert (PROJECT / "tests" / "stages" / f"test_{stage}.py").is_file()
    assert stage in yaml.safe_load((PROJECT / "config.yaml").read_text())
    docstring = ast.get_docstring(ast.parse(module.read_text()))
    assert re.search(r"^in ", docstring, re.MULTILINE)
    assert re.search(r"^out ", docstring, re.MULTILINE)
    head = (PROJECT / "workflow" / "rules" / f"{stage}.smk").read_text().split("\n\n")[0]
    assert "# in " in head or "# in " in (PROJECT / "workflow" / "rules" / f"{stage}.smk").read_text()


def test_importing_every_command_is_cheap():
    names = sorted({f"trailers.{room_of(path)}.{command_of(path)}" for path in COMMANDS})
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_snakefile_imports_little_beyond_the_standard_library():
    code = (
        "import sys\nfrom trailers import domain, errors, settings\n"
        "from trailers.store import atomic, fingerprint, layout, ledger, manifest, shards, spans\n"
        "print([name for name in ('numpy', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_section_of_the_config_has_the_fields_of_its_stage():
    import dataclasses
    import importlib

    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    schema = yaml.safe_load((PROJECT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    for stage in STAGES:
        module = importlib.import_module(f"trailers.stages.{stage}")
        kinds = [getattr(module, name) for name in ("Settings", "Effort") if hasattr(module, name)]
        fields = {field.name for kind in kinds for field in dataclasses.fields(kind)}
        own_keys = {
            "search": {"titles"},
            "clips": {"strategies"},
            "embed": {"backbones"},
            "quality": {"exclude", "duplicate_share"},
        }
        extra = own_keys.get(stage, set())
        assert set(config[stage]) == fields | extra, stage
        assert set(schema["properties"][stage]["properties"]) == fields | extra, stage


def pins(text: str) -> dict[str, str]:
    return {name.lower(): version for name, version in re.findall(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.+]+)", text)}


def test_every_dependency_is_pinned_once_and_the_same_everywhere():
    lock = pins((PROJECT / "envs" / "requirements.txt").read_text())
    for name in ("pyproject.toml", "envs/media.yaml", "envs/torch.yaml"):
        for package, version in pins((PROJECT / name).read_text()).items():
            assert lock[package] == version, f"{name}: {package}"


def test_only_video_calls_ffmpeg_or_a_decoder():
    pattern = re.compile(r"^\s*(import|from) (ffmpeg|imageio_ffmpeg|decord|av)\b", re.MULTILINE)
    callers = {str(path.relative_to(SRC)) for path in FILES if pattern.search(path.read_text())}
    assert {name for name in callers if not name.startswith("video/")} <= {"tools/doctor/programs.py"}


def test_nothing_unpickles_more_than_tensors():
    pickles = re.compile(r"^\s*(import|from) (pickle|joblib|dill)\b|allow_pickle=True", re.MULTILINE)
    for path in FILES:
        text = path.read_text()
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, f"{path.relative_to(SRC)}: {call}"
        # The answers of our own child processes come through a pipe.
        assert not pickles.search(text) or path == SRC / "machine" / "survival.py", path


def test_every_hdf5_file_is_read_through_one_function():
    callers = {str(path.relative_to(SRC)) for path in FILES if re.search(r"h5py\.(File|h5f)\b\(", path.read_text())}
    assert callers == {"store/hdf5.py"}


def test_the_snakefile_is_a_table_of_contents():
    assert len((PROJECT / "Snakefile").read_text().splitlines()) < 50


def test_no_file_contains_paths_of_a_machine_or_addresses_of_a_registry():
    # Neither works on other machines.
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("not a git checkout")
    for name in listed:
        text = (PROJECT / name).read_bytes()
        assert not re.search(rb"/(?:root|home/\w+)/|pypi\.org|files\.pythonhosted", text), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_function_is_longer_than_50_lines(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTIONS)]
    assert not [node.name for node in functions if node.end_lineno - node.lineno + 1 > 50]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_file_is_longer_than_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300
