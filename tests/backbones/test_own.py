"""A network of the user's own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch

from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.own_source import read_source
from trailers.backbones.precision import sample_clips
from trailers.backbones.rows import Sketch, find_row, sketch
from trailers.errors import ConfigError, WeightsError
from trailers.project import PROJECT

NOWHERE = Path("no-such-folder")


OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

robust = Row(
    "", "own", "robust", 2, 6, Transform((9,), (8, 8), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Weights("mine", "robust.pth"), make=build,
)
wrong = Row("", "own", "wrong", 2, 7, robust.transform, robust.weights, make=build)
number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "my_backbones.py"
    path.write_text(OWN)
    return path


def test_a_python_file_of_the_user_gives_a_backbone(own: Path) -> None:
    row = find_row(f"{own}:robust", NOWHERE)
    assert (row.name, row.features) == (f"{own}:robust", 6)
    assert row.code_sha256 == hashlib.sha256(OWN.encode()).hexdigest()
    vectors = Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))
    assert vectors.shape == (4, 6)


def test_the_example_of_the_docs_is_a_backbone(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "backbones.md").read_text().partition("## A network of your own")[2]
    (example,) = re.findall(r"```python\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    (tmp_path / "my_backbones.py").write_text(example)
    row = find_row(f"{tmp_path}/my_backbones.py:robust_resnet", NOWHERE)
    vectors = Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))
    assert vectors.shape == (4, 2048)


def test_a_backbone_with_a_wrong_number_of_features_is_refused(own: Path) -> None:
    row = find_row(f"{own}:wrong", NOWHERE)
    with pytest.raises(ConfigError, match=r"gives \(6,\) for a clip, but its row says \(7,\)"):
        Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("robst", "contains no Row with a make called 'robst', but robust, wrong"),
        ("number", "contains no Row with a make"),
    ],
)
def test_a_file_without_that_backbone_is_named(own: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_row(f"{own}:{name}", NOWHERE)


def test_a_missing_or_broken_file_is_named(own: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        find_row(f"{own.parent / 'other.py'}:robust", NOWHERE)
    own.write_text("1 / 0")
    with pytest.raises(
        ConfigError, match=r"my_backbones\.py, line 1: stopped with ZeroDivisionError: division by zero\. Correct it\."
    ):
        find_row(f"{own}:robust", NOWHERE)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


ROW = """
from trailers.backbones.row import Row, Transform, Weights
T = Transform((9,), (8, 8), (0.5,) * 3, (0.5,) * 3)
net = Row("", "own", "net", 2, 6, T, Weights("mine", "net.pth"), make=build)
"""
BUILD = """
def build():
    import torch
    return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
"""


def test_a_file_can_import_modules_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a", net=f"from helper import build{ROW}", helper=BUILD)
    row = find_row(f"{tmp_path}/a/net.py:net", NOWHERE)
    assert make_network(row, None)(torch.zeros(1, 3, 8, 8)).shape == (1, 6)


def test_files_of_two_folders_can_have_helper_modules_of_the_same_name(tmp_path: Path) -> None:
    for folder, features in (("a", 6), ("b", 5)):
        write(tmp_path / folder, net=f"from helper import build{ROW}", helper=BUILD.replace("6", str(features)))
    networks = [make_network(find_row(f"{tmp_path}/{folder}/net.py:net", NOWHERE), None) for folder in "ab"]
    assert [network(torch.zeros(1, 3, 8, 8)).shape[1] for network in networks] == [6, 5]


EDITS = {
    "the file": ("net", "from helper import build", "from helper import build  # again"),
    "a helper": ("helper", "Conv2d(3, 6, 3)", "Conv2d(3, 6, 5)"),
    "a helper's helper": ("deeper", "SIDE = 3", "SIDE = 5"),
    "a module that is imported inside a function": ("late", "NAME = 1", "NAME = 2"),
    "a package": ("package/__init__", "", "X = 1"),
    "a module of a package": ("package/part", "Y = 1", "Y = 2"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_of_a_file_and_its_modules_is_noticed_without_running_it(tmp_path: Path, edit: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    helper = "import deeper, package.part" + BUILD.replace("import torch", "import torch; import late")
    write(tmp_path, net=f"from helper import build{ROW}", helper=helper, deeper="SIDE = 3", late="NAME = 1")
    write(tmp_path / "package", part="Y = 1")
    (tmp_path / "unrelated.py").write_text("1")
    name = f"{tmp_path}/net.py:net"
    before = read_source(name).digest
    (tmp_path / "unrelated.py").write_text("2")
    assert read_source(name).digest == before
    file, old, new = EDITS[edit]
    path = tmp_path / f"{file}.py"
    path.write_text(path.read_text().replace(old, new, 1))
    assert read_source(name).digest != before


def test_modules_that_import_each_other_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, net="import helper", helper="import net")
    assert [path.name for path in read_source(f"{tmp_path}/net.py:net").files] == ["net.py", "helper.py"]


@pytest.mark.parametrize(
    "text",
    [
        ROW,
        'import trailers.backbones.row as r\nW = r.Weights(name="mine", file="net.pth")\n'
        "net: r.Row = r.Row(name='', library='own', model='net', weights=W, features=6, dimensions=2, transform=None)",
    ],
)
def test_planning_reads_the_backbone_without_running_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.py").write_text(f"1 / 0{text}" if text is ROW else f"1 / 0\n{text}")
    assert sketch(f"{tmp_path}/net.py:net") == Sketch(2, 6, "net.pth")


def test_a_file_is_run_if_its_backbone_is_computed(tmp_path: Path) -> None:
    write(tmp_path, net=f"{BUILD}{ROW}\nimport dataclasses\nother = dataclasses.replace(net, features=7)")
    assert sketch(f"{tmp_path}/net.py:other") == Sketch(2, 7, "net.pth")


MISTAKES = {
    "no Python": ("def build(:\n", r"net\.py, line 1: is not valid Python: .*\. Correct it\."),
    "a helper that is not Python": ("import helper\n", r"helper\.py, line 2: is not valid Python"),
    "no such module": ("\nimport no_such_module\n", r"net\.py, line 2: stopped with ModuleNotFoundError"),
    "a wrong row": (
        f"{BUILD}{ROW.replace('2, 6, T', '4, 6, T')}", r"net\.py, line 8: stopped with ValueError: a row is 2D",
    ),
    "a row without weights": (
        f"{BUILD}{ROW}".replace('Weights("mine", "net.pth")', "None"),
        r"net\.py, line 8: stopped with ValueError: a row has a Transform and Weights, got .* and None",
    ),
    "it leaves": ("import sys\nsys.exit(3)", r"net\.py, line 2: stopped with SystemExit: 3"),
    "make stops": (
        f"{BUILD.replace('torch.nn.Conv2d(3, 6, 3)', 'torch.nn.Conv2d(3)')}{ROW}",
        r"net\.py, line 4: net: make failed with TypeError",
    ),
    "make gives nothing": (f"def build(): pass{ROW}", r"net\.py: make of 'net' returned a NoneType"),
    "the network stops": (
        f"{BUILD.replace('Conv2d(3, 6, 3)', 'Conv2d(4, 6, 3)')}{ROW}",
        r"net\.py: net: the network failed on pixels \(16, 3, 8, 8\) with RuntimeError",
    ),
}  # fmt: skip


def embed_samples(name: str) -> None:
    row = find_row(name, NOWHERE)
    Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_error_in_the_file_is_reported_in_one_sentence_with_its_line(tmp_path: Path, mistake: str) -> None:
    text, words = MISTAKES[mistake]
    write(tmp_path, net=text, helper="\n1 1")
    with pytest.raises(ConfigError, match=words) as caught:
        embed_samples(f"{tmp_path}/net.py:net")
    assert "\n" not in str(caught.value)


CLASSIFIER = """
def build():
    import torch
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
            self.fc = torch.nn.Linear(6, 4)
        def forward(self, x):
            return self.fc(self.body(x))
    network = Net()
    network.fc = torch.nn.Identity()
    return network
"""


def published(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    state = {
        "body.0.weight": torch.ones(6, 3, 3, 3), "body.0.bias": torch.zeros(6),
        "fc.weight": torch.ones(4, 6), "fc.bias": torch.zeros(4),
    }  # fmt: skip
    return {key: value for key, value in (state | changes).items() if value is not None}


def test_weights_of_a_removed_layer_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, net=f"{CLASSIFIER}{ROW}")
    torch.save({"model_state": published()}, tmp_path / "net.pth")
    network = make_network(find_row(f"{tmp_path}/net.py:net", tmp_path), tmp_path)
    assert network(torch.ones(1, 3, 8, 8)).tolist() == [[27.0] * 6]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"body.0.bias": None}, r"body\.0\.bias is missing"),
        ({"tail.weight": torch.ones(1)}, r"the network has no tail\.weight"),
        ({"body.0.bias": torch.ones(5)}, r"body\.0\.bias is \(5,\), not \(6,\)"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, changes: dict, words: str) -> None:
    write(tmp_path, net=f"{CLASSIFIER}{ROW}")
    torch.save(published(**changes), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=rf"net\.pth: does not fit the network: {words}"):
        make_network(find_row(f"{tmp_path}/net.py:net", tmp_path), tmp_path)


def test_an_edit_of_a_listed_data_file_is_noticed(own: Path) -> None:
    data = own.parent / "table.bin"
    data.write_bytes(b"one")
    own.write_text(OWN + '\nfiles = ["table.bin"]\n')
    before = read_source(f"{own}:robust").digest
    assert read_source(f"{own}:robust").digest == before
    data.write_bytes(b"two")
    assert read_source(f"{own}:robust").digest != before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('files = ["absent.bin"]', "line 15: files names .*absent.bin, which is not a file"),
        ('files = "table.bin"', "line 15: files is not a list of names"),
        ("files = [number]", "line 15: files is not a list of names"),
        ('files = ["a" + "b"]', "line 15: files is not a list of names"),
        ('files = sorted(["my_backbones.py"])', "line 15: files is not a list of names"),
        ('files = ["."]', "line 15: files names .*, which is not a file"),
        ('files = ["a\\0b"]', "line 15: files names .*, which is not a file"),
        ('files = []\nfiles += ["my_backbones.py"]', "line 16: files is not written once and outside of all blocks"),
        ('files = []\nfiles.append("my_backbones.py")', "line 16: files is not written once and outside of all blocks"),
        ('if number:\n    files = ["my_backbones.py"]', "line 16: files is not written once and outside of all blocks"),
        ('files = other = ["my_backbones.py"]', "line 15: files is not written once and outside of all blocks"),
    ],
)
def test_a_missing_data_file_is_reported_with_the_line_that_lists_it(own: Path, line: str, words: str) -> None:
    own.write_text(f"{OWN}\n{line}\n")
    with pytest.raises(ConfigError, match=words):
        read_source(f"{own}:robust").digest  # noqa: B018  reading it is the test


# Where the data is -> how the file that lists it names it.
PLACES = {
    "beside it": ("data.bin", "data.bin"),
    "in a folder": ("deep/er/data.bin", "deep/er/data.bin"),
    "in the folder above": ("../data.bin", "../data.bin"),
    "at an absolute path": ("../data.bin", "{absolute}"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("lister", ["net", "helper", "package/part"])
def test_data_files_may_be_anywhere_and_be_listed_by_any_module_of_the_file(
    tmp_path: Path, place: str, lister: str
) -> None:
    at, name = PLACES[place]
    folder = tmp_path / "mine"
    write(folder, net=f"from helper import build{ROW}", helper=f"import package.part{BUILD}")
    write(folder / "package", __init__="", part="")
    file = folder / f"{lister}.py"
    data = file.parent / at
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_bytes(b"one")
    file.write_text(f"files = [{name.format(absolute=data.resolve())!r}]\n{file.read_text()}")
    before = read_source(f"{folder}/net.py:net").digest
    data.write_bytes(b"two")
    assert read_source(f"{folder}/net.py:net").digest != before
    data.write_bytes(b"one")
    assert read_source(f"{folder}/net.py:net").digest == before
    (tmp_path / "mine").rename(tmp_path / "moved")
    if place != "at an absolute path":
        assert read_source(f"{tmp_path}/moved/net.py:net").digest == before


def test_swapping_two_data_files_changes_the_fingerprint(own: Path) -> None:
    for name, content in (("a", "one"), ("b", "two")):
        (own.parent / name).mkdir()
        (own.parent / name / "t.bin").write_text(content)
    own.write_text(f'{OWN}\nfiles = ("a/t.bin", "b/t.bin", "a/t.bin")\n')
    before = read_source(f"{own}:robust").digest
    (own.parent / "a/t.bin").write_text("two")
    (own.parent / "b/t.bin").write_text("one")
    assert read_source(f"{own}:robust").digest != before


@pytest.mark.parametrize(
    "line", ["files = []", "files: list[str] = []", "def f():\n    files = 3", "for x in (): files"]
)
def test_the_fingerprint_of_a_file_that_lists_no_data_comes_from_its_bytes(own: Path, line: str) -> None:
    own.write_text(f"{OWN}\n{line}\n")
    assert read_source(f"{own}:robust").digest == hashlib.sha256(own.read_bytes()).hexdigest()


@pytest.mark.parametrize("line", ["files = sorted([1])", "for files in []: pass", "files = []; files.append(3)"])
def test_an_unrelated_variable_called_files_is_not_a_list_of_data(tmp_path: Path, line: str) -> None:
    write(tmp_path, net=f"from helper import build{ROW}", helper=f"{line}{BUILD}")
    assert len(read_source(f"{tmp_path}/net.py:net").digest) == 64


def test_a_wrong_list_in_a_module_is_reported_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, net=f"from helper import build{ROW}", helper=f'\nfiles = ["gone.bin"]{BUILD}')
    with pytest.raises(ConfigError, match=r"helper\.py, line 2: files names .*gone\.bin, which is not a file"):
        read_source(f"{tmp_path}/net.py:net").digest  # noqa: B018  reading it is the test
