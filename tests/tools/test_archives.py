"""Fetching the published archives, and importing them without unpacking them first."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from server import Page, Server
from trailers.__main__ import main
from trailers.store.pack import open_pack
from trailers.store.published import write_published

RESNET = "trailers_i_resnet_fpc24"
R2PLUS1D = "trailers_k_r2plus1d_fps24_fpc24"


def archive_of(folder, stem, features, trailers=("tt0000001", "tt0000002")):
    """The bytes of a small archive under a published name."""
    vectors = {name: lambda n=n: np.full((3, features), n + 1, np.float32) for n, name in enumerate(trailers)}
    write_published(folder / f"{stem}.zarr", vectors, attributes={"F": features})
    return packed(folder / f"{stem}.zarr")


def packed(store, *more):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.add(store, store.name)
        for member in more:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return raw.getvalue()


@pytest.fixture
def published(tmp_path):
    """Name -> bytes of two archives; their MD5s are in md5s."""
    (tmp_path / "made").mkdir()
    files = {
        f"{RESNET}.zarr.tar.gz": archive_of(tmp_path / "made", RESNET, 2048),
        f"{R2PLUS1D}.zarr.tar.gz": archive_of(tmp_path / "made", R2PLUS1D, 512),
    }
    lines = [f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in files.items()]
    (tmp_path / "md5s").write_text("".join(lines))
    return files


def archives(tmp_path, server, *words):
    flags = ["--folder", str(tmp_path / "archives"), "--md5s", str(tmp_path / "md5s"), "--only", RESNET, R2PLUS1D]
    return main(["archives", *flags, "--record", server.link("/") + "{name}", *words])


def test_archives_are_downloaded_and_checked_and_not_requested_again(tmp_path, published):
    with Server({f"/{name}": Page(content) for name, content in published.items()}) as server:
        assert archives(tmp_path, server, "--checked", str(tmp_path / "checked")) == 0
        assert {path.name: path.read_bytes() for path in (tmp_path / "archives").iterdir()} == published
        assert (tmp_path / "checked").read_text() == (tmp_path / "md5s").read_text()
        asked = len(server.requests)
        assert archives(tmp_path, server) == 0
        assert len(server.requests) == asked


def test_an_interrupted_transfer_resumes_where_it_stopped(tmp_path, published, monkeypatch):
    monkeypatch.setattr("trailers.web.files.WAIT_S", 0)
    pages = {f"/{name}": Page(content) for name, content in published.items()}
    name, content = f"/{RESNET}.zarr.tar.gz", published[f"{RESNET}.zarr.tar.gz"]
    pages[name] = [Page(content, cut=700), Page(content)]
    with Server(pages) as server:
        assert archives(tmp_path, server) == 0
        ranges = [request.headers.get("range") for request in server.requests_for(name)]
    assert ranges[-1] == "bytes=700-"
    assert (tmp_path / "archives" / name[1:]).read_bytes() == content


def test_a_wrong_archive_is_named_and_the_others_are_kept(tmp_path, published, capsys):
    pages = {f"/{name}": Page(content) for name, content in published.items()}
    pages[f"/{RESNET}.zarr.tar.gz"] = Page(b"something else")
    with Server(pages) as server:
        assert archives(tmp_path, server, "--checked", str(tmp_path / "checked")) == 1
    output = capsys.readouterr().err
    assert f"{RESNET}.zarr.tar.gz: has MD5 6c7ba9c5a141421e1c03cb9807c97c74, expected" in output
    assert [path.name for path in (tmp_path / "archives").iterdir()] == [f"{R2PLUS1D}.zarr.tar.gz"]
    assert not (tmp_path / "checked").exists()


def test_a_wrong_file_in_the_folder_is_named_and_kept(tmp_path, published, capsys):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / f"{RESNET}.zarr.tar.gz").write_bytes(b"mine")
    with Server({f"/{name}": Page(content) for name, content in published.items()}) as server:
        assert archives(tmp_path, server) == 1
    assert "Remove it and rerun this command" in capsys.readouterr().err
    assert (tmp_path / "archives" / f"{RESNET}.zarr.tar.gz").read_bytes() == b"mine"


def test_without_a_network_missing_archives_are_named(tmp_path, capsys):
    assert main(["archives", "--folder", str(tmp_path), "--no-fetch", "--only", RESNET]) == 1
    assert f"lacks {RESNET}.zarr.tar.gz. Put them there, or omit --no-fetch." in capsys.readouterr().err


def test_an_archive_is_imported_under_its_published_name(tmp_path, published):
    path = tmp_path / f"{R2PLUS1D}.zarr.tar.gz"
    path.write_bytes(published[path.name])
    assert main(["import", str(path), "--results", str(tmp_path / "results")]) == 0
    pack = open_pack(tmp_path / "results" / "pack" / "study" / "shot24" / "r2plus1d_18.h5")
    assert (pack.backbone, pack.trailers, pack.vectors.shape) == ("r2plus1d_18", ("tt0000001", "tt0000002"), (6, 512))
    assert [path.name for path in (tmp_path / "results" / "pack" / "study" / "shot24").iterdir()] == ["r2plus1d_18.h5"]


def member(name, kind=tarfile.REGTYPE, target=""):
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return found


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        (member("../outside"), "'../outside' would be unpacked outside its folder"),
        (member("/etc/outside"), "'/etc/outside' would be unpacked outside its folder"),
        (member("s.zarr/../../outside"), "would be unpacked outside its folder"),
        (member("s.zarr/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
        (member("s.zarr/link", tarfile.LNKTYPE, "s.zarr/.zgroup"), "is a link or a device"),
        (member("s.zarr/device", tarfile.CHRTYPE), "is a link or a device"),
        (member("beside"), "holds 2 folders and files at its top, expected one folder"),
    ],
)
def test_archives_with_unsafe_members_are_refused(tmp_path, capsys, strange, words):
    write_published(tmp_path / "s.zarr", {"tt1": lambda: np.ones((2, 4), np.float32)}, attributes={"F": 4})
    (tmp_path / "s.zarr.tar.gz").write_bytes(packed(tmp_path / "s.zarr", strange))
    results = tmp_path / "in" / "results"
    assert main(["import", str(tmp_path / "s.zarr.tar.gz"), "--backbone", "b", "--results", str(results)]) == 1
    assert words in capsys.readouterr().err
    assert [path for path in (tmp_path / "in").rglob("*") if path.is_file()] == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_truncated_archives_are_refused(tmp_path, capsys, keep):
    write_published(tmp_path / "s.zarr", {"tt1": lambda: np.ones((2, 4), np.float32)}, attributes={"F": 4})
    (tmp_path / "s.zarr.tar.gz").write_bytes(packed(tmp_path / "s.zarr")[:keep])
    assert main(["import", str(tmp_path / "s.zarr.tar.gz"), "--backbone", "b", "--results", str(tmp_path)]) == 1
    assert "is damaged or truncated" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut between members", "cut in a header", "header", "no checksum", "byte"])
def test_archives_that_end_too_early_inside_are_refused(tmp_path, capsys, damage):
    """tarfile takes some of these positions for the end of the archive; only the checksum at the end shows the rest."""
    vectors = {name: lambda: np.ones((2, 4), np.float32) for name in ("tt1", "tt2")}
    write_published(tmp_path / "s.zarr", vectors, attributes={"F": 4})
    (tmp_path / "s.zarr" / ".zattrs").write_text('{"num_features": 4}')  # as published, without a count
    whole = packed(tmp_path / "s.zarr")
    plain = gzip.decompress(whole)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        last = max(entry.offset for entry in tar.getmembers() if entry.name in ("s.zarr/tt1", "s.zarr/tt2"))
    flipped = bytearray(whole)
    flipped[-8] ^= 1  # of the checksum
    content = {
        "cut between members": gzip.compress(plain[:last]),
        "cut in a header": gzip.compress(plain[: last + 100]),
        "header": gzip.compress(plain[:last] + b"x" * 512 + plain[last + 512 :]),
        "no checksum": whole[:-8],
        "byte": bytes(flipped),
    }[damage]
    (tmp_path / "s.zarr.tar.gz").write_bytes(content)
    assert main(["import", str(tmp_path / "s.zarr.tar.gz"), "--backbone", "b", "--results", str(tmp_path / "r")]) == 1
    assert "s.zarr.tar.gz: is damaged or truncated: " in capsys.readouterr().err
    assert [path for path in (tmp_path / "r").rglob("*") if path.is_file()] == []


def test_an_archive_of_an_unknown_name_needs_a_backbone(tmp_path, capsys):
    assert main(["import", str(tmp_path / "mine.zarr")]) == 1
    assert "is not the name of a published archive. Give --backbone" in capsys.readouterr().err
