"""doctor: every kind of problem has a line, and errors give an exit status."""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import stat
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

import gpu_lab
from trailers.errors import ConfigError
from trailers.plan.studies import plan_here
from trailers.tools import doctor
from trailers.tools.doctor import BAD, OK, WARN, Finding, Place, disk, gpus

PAIRS = [("shot24", "efficientnet_lite0")]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def place(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("trailer,url,genres\n" + "".join(f"t{n},{n}.mp4,drama\n" for n in range(100)))
    return Place(PAIRS, Path("nowhere"), manifest, tmp_path / "results")


def test_this_environment_has_what_a_run_needs(place):
    of_machine = ("GPU", "GPU driver", "GPU leases", "yt-dlp", "JavaScript")
    findings = [found for found in doctor.examine(place) if found.subject not in of_machine]
    assert [str(found) for found in findings if found.level != OK] == []
    assert {found.subject for found in findings} == {
        "python", "ffmpeg", "PyAV", "weights", "manifest", "disk", "results", "HDF5"
    }  # fmt: skip


def test_an_ffmpeg_without_the_encoder_is_bad(place, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\necho 'ffmpeg version 1.2 x'\nfor c in h264 hevc vp8 vp9 av1 mpeg4; do echo \" V..... $c x\"; done\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (found,) = doctor.check_ffmpeg(place)
    assert found == Finding(BAD, "ffmpeg", f"1.2 at {program} lacks libx264. Unset IMAGEIO_FFMPEG_EXE.")


def test_an_ffmpeg_that_cannot_run_is_bad(place, tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
    (found,) = doctor.check_ffmpeg(place)
    assert found.level == BAD
    assert "cannot be run" in found.words


def test_missing_weights_are_bad_and_named(place):
    detector, backbone = doctor.check_weights(replace(place, pairs=[("shot24", "resnet50")]))
    assert detector.level == OK
    assert backbone.level == BAD
    assert backbone.words.startswith("nowhere/resnet50-0676ba61.pth: the weights of resnet50 are missing.")


def test_several_weights_of_one_model_are_distinguished(place):
    names = ["torchvision:resnet50", "torchvision:resnet50.IMAGENET1K_V1"]
    _, *found = doctor.check_weights(replace(place, pairs=[("shot24", name) for name in names]))
    assert [finding.words.partition(" are missing.")[0] for finding in found] == [
        "nowhere/resnet50-11ad3fa6.pth: the weights of torchvision:resnet50",
        "nowhere/resnet50-0676ba61.pth: the weights of torchvision:resnet50.IMAGENET1K_V1",
    ]


def test_a_backbone_for_which_frames_are_enlarged_gives_a_warning(place):
    name = "torchvision:efficientnet_v2_s"
    (found,) = doctor.check_pixels(replace(place, pairs=[("shot24", name), ("shot24", "resnet50")], short_side=256))
    assert (found.level, found.subject) == (WARN, "pixels")
    assert found.words == (
        f"{name} takes frames with a short side of 384 px, but normalise.short_side keeps 256: frames are enlarged, "
        "which adds time and no detail. Raise normalise.short_side to 384."
    )


def test_the_estimate_counts_a_page_per_trailer(place, monkeypatch):
    assert disk.needed_bytes(place)["pages"] == 350_000
    (found,) = doctor.check_disk(replace(place, pairs=[]))
    assert "pages 350.0 kB, embed 0 bytes)" in found.words


def test_an_unknown_backbone_is_bad(place):
    found = list(doctor.check_weights(replace(place, pairs=[("shot24", "swin4d")])))[-1]
    assert found.level == BAD
    assert "no backbone is called 'swin4d'" in found.words


def test_the_estimate_counts_vectors_in_files_of_trailers_and_in_the_pack(place):
    # 122.3 s, 1.23 clips per second, 1280 numbers of 4 bytes, twice
    assert disk.needed_bytes(place)["embed"] == 1_540_393
    two = [*PAIRS, ("seq24", "efficientnet_lite0")]
    assert disk.needed_bytes(replace(place, pairs=two))["embed"] == 2 * 1_540_393


@pytest.mark.parametrize(("free", "level"), [(1.3, OK), (1.1, WARN), (0.9, BAD)])
def test_disk_space_is_compared_with_what_the_manifest_needs(place, monkeypatch, free, level):
    wanted = 100 * sum(disk.needed_bytes(place).values())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, int(free * wanted)))
    (found,) = doctor.check_disk(place)
    assert found.level == level


def test_finished_trailers_need_no_more_space(place, monkeypatch):
    folder = place.results / "normalise"
    folder.mkdir(parents=True)
    for number in range(100):
        (folder / f"other{number}.mp4").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1))
    assert next(doctor.check_disk(place)).level == BAD
    for number in range(100):
        (folder / f"t{number}.mp4").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1))
    (found,) = doctor.check_disk(place)
    assert found.level == OK
    assert "1 byte free, about 0 bytes still needed" in found.words


def test_a_folder_that_cannot_be_written_is_bad(place):
    (found,) = doctor.check_results(replace(place, results=Path("/proc/results")))
    assert found.level == BAD
    assert found.words.startswith("/proc: ")


def test_nothing_is_left_behind(place):
    place.results.mkdir()
    list(doctor.check_results(place))
    assert list(place.results.iterdir()) == []


def test_hdf5_is_tried_and_reported(tmp_path):
    found = disk.check_hdf5(tmp_path / "x.h5")
    assert (found.level, found.subject) == (OK, "HDF5")
    assert "without locks" in found.words
    found = disk.check_hdf5(Path("/dev/null/x.h5"))
    assert found.level == BAD
    assert found.words.endswith("Choose a folder on another file system with --results.")


def test_an_old_yt_dlp_gives_a_warning(place, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2020.01.31")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    age, runtime = doctor.check_downloader(place)
    assert age.level == WARN
    assert age.words.startswith("2020.01.31 is ")
    assert runtime == Finding(
        WARN, "JavaScript",
        "none of deno, node, bun, qjs is on PATH: YouTube may give few formats or none. Install deno.",
    )  # fmt: skip


def test_a_manifest_that_is_refused_is_bad(place):
    place.manifest.write_text("trailer\n../x\n")
    levels = {found.subject: found.level for found in doctor.examine(place)}
    assert levels["manifest"] == BAD


def test_a_check_that_raises_an_error_is_a_finding(place, monkeypatch):
    def check_moon(place):
        yield Finding(OK, "moon", "there")
        raise ZeroDivisionError("it set")

    def check_sun(place):
        raise ConfigError("the sun is off. Switch it on.")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (check_moon, check_sun))
    assert list(doctor.examine(place)) == [
        Finding(OK, "moon", "there"),
        Finding(BAD, "moon", "ZeroDivisionError: it set"),
        Finding(BAD, "sun", "the sun is off. Switch it on."),
    ]


@pytest.mark.parametrize(("levels", "status"), [((OK, WARN), 0), ((OK, BAD, WARN), 1)])
def test_only_errors_fail(place, monkeypatch, capsys, levels, status):
    def check_all(place):
        yield from (Finding(level, "thing", "words") for level in levels)

    monkeypatch.setattr(doctor, "CHECKS", (check_all,))
    assert doctor.run(argparse.Namespace(manifest=place.manifest, results=place.results, gpu=False)) == status
    assert capsys.readouterr().out.splitlines()[0] == "ok    thing        words"


def test_the_configuration_of_the_working_folder_is_used(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(
        "manifest: mine.csv\nclips: {strategies: [shot24, seq32]}\nembed: {backbones: [resnet50]}\n"
        "experiments:\n"
        "  default: {clips: shot24-fps8, backbones: [swin3d_t]}\n"
        "  again: {clips: shot24, backbones: [resnet50]}\n"
    )
    monkeypatch.chdir(tmp_path)
    asked = plan_here().users
    assert asked.manifest == Path("mine.csv")
    assert asked.pairs == (("shot24", "resnet50"), ("seq32", "resnet50"), ("shot24-fps8", "swin3d_t"))


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("# nothing but comments\n", (("shot24", "efficientnet_lite0"),)),
        ("experiments: {default: {backbones: [resnet50]}}", (("shot24", "efficientnet_lite0"), ("shot24", "resnet50"))),
        ("experiments:\n", (("shot24", "efficientnet_lite0"),)),
    ],
    ids=["comments", "a part of an experiment", "an empty section"],
)
def test_settings_that_the_working_folder_lacks_have_the_projects_defaults(tmp_path, monkeypatch, text, pairs):
    (tmp_path / "config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert plan_here().users.pairs == pairs


def test_random_weights_need_no_file(place):
    _, backbone = doctor.check_weights(replace(place, pairs=[("shot24", "resnet50")], has_random_weights=True))
    assert (backbone.level, backbone.words) == (OK, "resnet50: random, because embed.random_weights is set")


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A machine with two cards, as nvidia-smi and torch see them."""
    import torch

    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing(gpu_lab.FOUR[:2]))
    for name, value in gpu_lab.environment(tmp_path / "locks", smi=smi).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(*, driver="580.65.06", capability=(8, 0), seen=True):
        properties = argparse.Namespace(
            name="Some Card", total_memory=40 * 2**30, major=capability[0], minor=capability[1]
        )
        monkeypatch.setattr(gpus, "driver_version", lambda: driver)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90"])
        monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties)
        return smi

    return make


def test_driver_wheel_and_cards_are_compared(place, card):
    card(capability=(7, 5))
    driver, first, second, leases = doctor.check_gpus(place)
    assert (driver.level, driver.subject) == (OK, "GPU driver")
    assert driver.words.startswith("580.65.06; torch ")
    assert "CUDA 13.0 needs driver 580 or newer and a card of compute capability 7.5 and 9.0" in driver.words
    assert first == Finding(OK, "GPU", "0: Some Card, 40 GiB, compute capability 7.5")
    assert second.words.startswith("1: Some Card")
    assert leases.words.startswith("2 of 2 devices are free; locks in ")


def test_a_driver_older_than_the_wheel_needs_is_bad(place, card):
    card(driver="535.104.05", seen=False)
    driver, cards, _ = doctor.check_gpus(place)
    assert (driver.level, cards.level) == (BAD, BAD)
    assert driver.words.startswith("driver 535.104.05 is too old for torch's CUDA 13.0, which needs 580 or newer.")
    assert cards.words.startswith("0: NVIDIA A100-SXM4-40GB, 1: NVIDIA A100-SXM4-40GB, but ")


def test_a_card_older_than_the_wheels_architectures_is_bad(place, card):
    card(capability=(7, 0))
    _, first, *_ = doctor.check_gpus(place)
    assert first.level == BAD
    assert "compute capability 7.0, for which torch was not built (7.5 and 9.0)." in first.words


def test_a_driver_that_fails_is_bad(place, card):
    gpu_lab.fake_nvidia_smi(card(), "", code=9, complaint="couldn't communicate with the NVIDIA driver")
    (found,) = doctor.check_gpus(place)
    assert found.level == BAD
    assert "couldn't communicate with the NVIDIA driver" in found.words


def test_a_device_in_use_gives_a_warning_that_names_its_user(place, card):
    smi = card()
    (smi / "computing").write_text(f"{gpu_lab.FOUR[1]}, 99999999\n")
    *_, leases, taken = doctor.check_gpus(place)
    assert leases.words.startswith("1 of 2 devices are free")
    words = f"{gpu_lab.FOUR[1]} is in use by process 99999999 without a lease"
    assert taken == Finding(WARN, "GPU leases", words)


def test_a_folder_of_leases_that_cannot_be_used_is_bad(place, card, tmp_path):
    card()
    (tmp_path / "locks").write_text("")
    *_, leases = doctor.check_gpus(place)
    assert leases.level == BAD
    assert "is not a directory" in leases.words


def test_without_a_driver_the_required_one_is_reported(place, tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "list_gpus", lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (found,) = doctor.check_gpus(place)
    assert found.level == WARN
    assert found.words.startswith(
        "no GPU and no driver: shots and embed use the CPU, which is slower. For a GPU: torch "
    )


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (["ok", "warn", "warn"], "1 ok, 2 warnings, 0 errors"),
        (["warn", "bad"], "0 ok, 1 warning, 1 error"),
    ],
)
def test_the_last_line_counts_warnings_and_errors(levels, words):
    assert doctor.totals(levels) == words
