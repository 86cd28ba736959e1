"""Locks of devices are shared by all users of a host; links and files that only look like locks are refused."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import stat
import subprocess
import sys
import time

import pytest

import gpu_lab
from trailers.errors import ConfigError, SystemicError
from trailers.machine import lease, lease_folder
from trailers.machine.lease import ASIDE_S, LASTING_S, set_aside, try_lease
from trailers.machine.lease_folder import OPEN_TO_ALL, host_folder, opened_folder

A, B, _, _ = gpu_lab.FOUR


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    """The path of a folder for locks, which does not exist yet; without a driver."""
    folder = tmp_path / "locks"
    monkeypatch.setenv("TRAILERS_LEASE_DIR", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("TRAILERS_GPU", raising=False)
    return folder


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The temporary folder of a host; TRAILERS_LEASE_DIR is not set."""
    monkeypatch.delenv("TRAILERS_LEASE_DIR")
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(lease_folder, "SHARED", (tmp_path / "none", folder))
    return folder


def release(got):
    for handle in got.values():
        os.close(handle)


def test_the_hosts_folder_is_the_same_for_all(shared, monkeypatch):
    monkeypatch.setattr(lease_folder.platform, "node", lambda: "node-1.lab/x")
    for temporary in ("/a", "/b"):
        monkeypatch.setenv("TMPDIR", temporary)
        assert host_folder() == shared / "trailers-gpu-node-1.lab_x"


def test_a_lease_folder_that_not_everyone_can_write_to_is_refused(tmp_path, shared, monkeypatch):
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    monkeypatch.setattr(lease_folder, "SHARED", (own, shared))
    assert host_folder().parent == shared
    monkeypatch.setattr(lease_folder, "SHARED", (own,))
    with pytest.raises(ConfigError, match="TRAILERS_LEASE_DIR"):
        host_folder()


def test_folder_and_locks_are_open_to_all_users(shared):
    before = os.umask(0o077)
    try:
        release(try_lease([A]))
    finally:
        os.umask(before)
    folder = host_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == OPEN_TO_ALL == 0o1777
    assert stat.S_IMODE((folder / A).stat().st_mode) == 0o666


@pytest.mark.parametrize("kind", ["link", "file", "dangling"])
@pytest.mark.parametrize("named", [True, False])
def test_a_link_or_file_in_place_of_the_lease_folder_is_refused(tmp_path, shared, monkeypatch, kind, named):
    place = tmp_path / "place" if named else host_folder()
    if named:
        monkeypatch.setenv("TRAILERS_LEASE_DIR", str(place))
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        place.write_text("")
    else:
        place.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.mkdir()
    with pytest.raises(ConfigError, match=f"^{place}: is not a directory.* TRAILERS_LEASE_DIR"):
        try_lease([A])
    assert not elsewhere.exists() or not list(elsewhere.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("named", [True, False])
def test_a_private_lease_folder_of_another_user_is_refused(tmp_path, shared, monkeypatch, named):
    place = tmp_path / "place" if named else host_folder()
    if named:
        monkeypatch.setenv("TRAILERS_LEASE_DIR", str(place))
    place.mkdir(mode=0o755)
    os.chown(place, 54321, 54321)
    with pytest.raises(ConfigError, match="belongs to user 54321 and other users cannot write to it"):
        try_lease([A])
    place.chmod(0o1777)
    release(try_lease([A]))


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "pipe", "hard link"])
def test_a_link_or_folder_in_place_of_a_lock_is_refused(tmp_path, locks, kind):
    locks.mkdir()
    place, precious = locks / A, tmp_path / "precious"
    if kind != "dangling":
        precious.write_text("mine")
    if kind in ("link", "dangling"):
        place.symlink_to(precious)
    elif kind == "directory":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.hardlink_to(precious)
    with pytest.raises(ConfigError, match=rf"^{place}: cannot be used as a GPU lock: .*TRAILERS_LEASE_DIR"):
        try_lease([A])
    assert (precious.read_text() == "mine") if kind != "dangling" else not precious.exists()


def test_names_of_devices_cannot_lead_out_of_the_folder(locks):
    release(try_lease(["../../x", "MIG-GPU-a/7/0"], 2))
    assert sorted(path.name for path in locks.iterdir()) == ["MIG-GPU-a_7_0", "______x"]


def test_a_deleted_lock_file_does_not_hold_a_lock(locks):
    first = try_lease([A])
    (locks / A).unlink()
    with opened_folder() as folder:
        assert not lease_folder.is_current(folder, A, first[A])
    second = try_lease([A])
    assert isinstance(try_lease([A]), list)
    release(first)
    assert isinstance(try_lease([A]), list)
    release(second)


def test_several_devices_are_leased_together_or_not_at_all(locks):
    one = try_lease([B])
    assert [obstacle.name for obstacle in try_lease([A, B], 2)] == [B]
    release(try_lease([A]))  # given back
    release(one)
    both = try_lease([A, B], 2)
    assert list(both) == [A, B]
    release(both)


def test_a_waiting_job_reports_who_holds_the_lock(locks, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    code = (
        f"import fcntl, sys\nfile = open({str(locks / A)!r}, 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    locks.mkdir()
    other_process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other_process.stdout.readline()
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(lease.time, "monotonic", lambda: next(clock))

    def pause(_):
        if len(caplog.messages) == 3:
            other_process.stdin.close()
            other_process.wait()

    monkeypatch.setattr(lease.time, "sleep", pause)
    release(lease.lease([A]))
    first, second, third = caplog.messages
    assert f"waiting for a GPU (for 25 s so far): {A} is held by " in first
    assert f"(process {other_process.pid}, python" in first
    assert "for 100 s" in second
    assert "for 3 min" in third


@pytest.fixture
def leased(monkeypatch):
    """This process is a job under a lease of A."""
    monkeypatch.setenv("TRAILERS_GPU", A)
    got = try_lease([A])
    yield
    release(got)


@pytest.mark.usefixtures("leased")
def test_a_gpu_that_failed_is_set_aside_with_its_cause(locks, monkeypatch):
    set_aside("CUDA error: unspecified launch failure")
    monkeypatch.setattr(fcntl, "flock", lambda lock, how: None)  # as if the job had ended
    (obstacle,) = try_lease([A])
    assert obstacle.words.startswith("not leased for another 5 min: CUDA error: unspecified launch failure")
    now = time.time()
    monkeypatch.setattr(lease.time, "time", lambda: now + ASIDE_S + 1)
    release(try_lease([A]))
    monkeypatch.setattr(lease.time, "time", lambda: now)
    release(try_lease([A]))  # it was leased in the meantime, so the note is gone


@pytest.mark.usefixtures("leased")
def test_if_torch_cannot_use_a_gpu_no_job_waits_for_one(monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda lock, how: None)
    set_aside("too old", lasting=True)
    with pytest.raises(SystemicError, match=f"no GPU here can be used: {A}: too old.*--resources gpu=0"):
        lease.lease([A])
    release(lease.lease([A, B]))
    monkeypatch.setattr(lease, "torch_version", lambda: "another")
    release(lease.lease([A]))


def test_without_a_lease_nothing_is_set_aside(locks):
    set_aside("something")
    assert not locks.exists() or not list(locks.iterdir())


@pytest.mark.parametrize(
    "note",
    [
        "", "no json", "[]", "{}", '{"aside": "x"}', '{"aside": "x", "until": "soon", "lasting": false}',
        json.dumps({"aside": "for ever", "until": 1e300, "lasting": False}),
        json.dumps({"aside": "for ever", "until": 1e300, "lasting": True}),
        json.dumps({"aside": "long ago", "until": 1, "lasting": False}),
        '{"aside": "x", "until": NaN, "lasting": false}', "[" * 5000, "\x00\xff" * 3000,
    ],
)  # fmt: skip
def test_a_note_of_unknown_origin_is_ignored(locks, note):
    locks.mkdir()
    (locks / A).write_text(note)
    got = try_lease([A])
    assert isinstance(got, dict)
    release(got)


def test_control_characters_of_a_note_are_not_printed(locks):
    locks.mkdir()
    note = {"aside": "a\x1b[2Jb\nc", "until": time.time() + LASTING_S / 2, "lasting": True}
    (locks / A).write_text(json.dumps({**note, "torch": lease.torch_version()}))
    (obstacle,) = try_lease([A])
    assert obstacle.words == "not leased for another 30 min: a [2Jb c"


def test_a_device_in_use_by_another_process_is_reported(tmp_path, monkeypatch):
    other_process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing(), computing=f"{A}, {other_process.pid}\n")
    monkeypatch.setenv("PATH", f"{smi}{os.pathsep}{os.defpath}")
    obstacles = try_lease([A])
    assert obstacles[0].words.startswith("in use by ")
    assert f"process {other_process.pid}" in obstacles[0].words
    other_process.communicate()
    release(try_lease([A, B]))


def test_a_device_in_use_by_the_program_that_waits_for_the_job_is_leased(tmp_path, monkeypatch):
    computing = f"{A}, {os.getpid()}\n{A}, {os.getppid()}\n"
    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing(), computing=computing)
    monkeypatch.setenv("PATH", f"{smi}{os.pathsep}{os.defpath}")
    release(try_lease([A]))
