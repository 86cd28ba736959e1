"""What a later run requests again, and what a killed run loses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from hashlib import sha256

import pytest

from server import Page, Server
from trailers.errors import SystemicError
from web_lab import make_video, playlist, until


def test_finished_and_dead_trailers_are_not_requested_again(work, video):
    with Server({"/cat.mp4": Page(video), "/gone.mp4": Page(status=410)}) as server:
        rows = {"a": server.link("/cat.mp4"), "b": server.link("/gone.mp4")}
        first = work.run(rows)
        receipts = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in work.results.rglob("*.json")}
        asked = len(server.requests)
        assert work.run(rows) == first
        assert len(server.requests) == asked
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in work.results.rglob("*.json")} == receipts


def test_a_dead_trailer_is_requested_again_with_retry_dead(work, video):
    with Server({"/cat.mp4": [Page(status=404), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "dead"
        assert work.one(server.link("/cat.mp4")).status == "dead"
        assert work.one(server.link("/cat.mp4"), retry_dead="").status == "ok"


def test_a_dead_trailer_is_requested_again_when_its_link_changes(work, video):
    with Server({"/new.mp4": Page(video)}) as server:
        assert work.one(server.link("/old.mp4")).status == "dead"
        assert work.one(server.link("/new.mp4")).status == "ok"


def test_other_limits_are_applied_to_the_receipt_without_a_request(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        link = server.link("/cat.mp4")
        before = work.one(link)
        asked = len(server.requests)
        excluded = work.one(link, enforce_quality="true", min_duration_s="10")
        assert (excluded.status, excluded.facts["reason"]) == ("dead", "too short")
        assert excluded.error == "download: too short: 2 s, but download.min_duration_s is 10 s"
        again = work.one(link, enforce_quality="true", min_duration_s="1", min_height="72")
        assert (again.status, again.facts["quality"]) == ("ok", [])
        assert work.one(link) == before
        assert len(server.requests) == asked
    assert work.receipt().sha256 == sha256(video).hexdigest()


def test_a_dead_trailer_stays_dead_under_other_limits(work):
    with Server({}) as server:
        first = work.one(server.link("/cat.mp4"))
        second = work.one(server.link("/cat.mp4"), enforce_quality="true")
        assert len(server.requests) == 1
    assert (first.error, first.fingerprint != second.fingerprint) == (second.error, True)


def test_another_height_requests_the_video_again(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        work.one(server.link("/cat.mp4"))
        asked = len(server.requests)
        assert work.one(server.link("/cat.mp4"), max_height="480").status == "ok"
        assert len(server.requests) > asked


@pytest.mark.parametrize("damage", ["truncated", "removed", "receipt", "facts"])
def test_a_damaged_product_is_made_again(work, video, damage):
    with Server({"/cat.mp4": Page(video)}) as server:
        work.one(server.link("/cat.mp4"))
        kept, receipt = work.results / "download" / "a.mp4", work.results / "download" / "a.json"
        if damage == "truncated":
            os.truncate(kept, 100)
        elif damage == "removed":
            kept.unlink()
        elif damage == "receipt":
            receipt.write_text(receipt.read_text()[:50])
        else:
            values = json.loads(receipt.read_text())
            receipt.write_text(json.dumps({**values, "facts": {"bytes": len(video)}}))
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert kept.read_bytes() == video


def test_another_suffix_replaces_the_old_file(work, video, tmp_path):
    webm = make_video(tmp_path / "cat.webm", seconds=0.2)
    with Server({"/cat.mp4": Page(video), "/cat.webm": Page(webm, kind="video/webm")}) as server:
        work.one(server.link("/cat.mp4"))
        work.one(server.link("/cat.webm"))
    assert work.files() == ["download/a.json", "download/a.webm"]


# Killed runs, two at once


def test_a_killed_run_loses_only_the_block_being_downloaded(work, big):
    with Server({"/a.mp4": Page(big), "/b.mp4": [Page(big), Page(big, trickle_s=0.02)]}) as server:
        rows = {"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}
        command = [sys.executable, "-m", "trailers", "download", *work.words(rows)]
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        partial = work.results / "download" / ".partial" / "b"
        until(lambda: any(path.stat().st_size for path in partial.glob("*.part")))
        running.send_signal(signal.SIGKILL)
        running.wait()
        (size,) = [path.stat().st_size for path in partial.glob("*.part")]
        server.pages["/b.mp4"] = [Page(big)]
        asked = len(server.requests_for("/a.mp4"))
        ledger = work.run(rows)
        assert len(server.requests_for("/a.mp4")) == asked
        assert server.requests_for("/b.mp4")[-1].headers["range"] == f"bytes={size}-"
    assert [row.status for row in ledger.values()] == ["ok", "ok"]
    assert work.receipt("b").sha256 == sha256(big).hexdigest()


def test_two_jobs_for_one_trailer_make_one_request(work, video):
    with Server({"/cat.mp4": [Page(video, silent_s=0.5), Page(video)]}) as server:
        command = [sys.executable, "-m", "trailers", "download", *work.words({"a": server.link("/cat.mp4")})]
        jobs = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [job.wait(timeout=60) for job in jobs] == [0, 0]
        assert len(server.requests_for("/cat.mp4")) == 2  # one for the type of the link, one for the bytes
    assert work.files() == ["download/a.json", "download/a.mp4"]


@pytest.fixture
def small_disk():
    """Files cannot grow beyond 100 kB; the system refuses more, like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("is_playlist", [False, True])
def test_the_error_of_a_full_disk_names_the_folder_and_a_later_download_is_complete(work, big, small_disk, is_playlist):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts"), "/0.ts": Page(big[:60_000]), "/1.ts": Page(big[60_000:])}
    with Server({"/cat.mp4": Page(big), **pages}) as server:
        link = server.link("/cat.m3u8" if is_playlist else "/cat.mp4")
        with pytest.raises(SystemicError, match="became larger than the system allows") as problem:
            work.one(link)
        assert problem.value.where == str(work.results / "download" / ".partial" / "a")
        small_disk()
        assert work.one(link).status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == big
