"""Trials of a GPU fail if something is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.detector.shots import find_shots
from trailers.errors import SystemicError
from trailers.tools.doctor import machine_trial, trial
from trailers.tools.doctor.machine_trial import Outcome, judge_leases


@pytest.mark.parametrize(
    ("reports", "passed", "words"),
    [
        (
            [["GPU-a", "0", "1", "a"], ["GPU-b", "0", "1", "GPU-b"], ["GPU-a", "1.1", "2", "a"]],
            True,
            "3 jobs used 2 of 2",
        ),
        ([["GPU-a", "0", "1"], ["GPU-b", "0", "1"], ["GPU-a", "0.9", "2"]], False, "two jobs held GPU-a at once"),
        ([["GPU-a", "0", "1"], ["GPU-a", "1", "2"], ["GPU-a", "3", "4"]], False, "3 jobs used 1 of 2 devices"),
        ([["GPU-a", "0", "1", "b"], ["GPU-b", "0", "1", "b"]], False, "GPU-a was leased, but torch computes on b"),
        ([["MIG-a", "0", "1", "x"], ["MIG-b", "0", "1", "x"]], True, "2 jobs used 2 of 2 devices"),
    ],
)
def test_leases_are_checked_by_who_held_which_device_when(reports, passed, words):
    outcome = judge_leases(reports, 2)
    assert outcome.passed is passed
    assert words in outcome.words


def test_a_trial_that_raises_is_a_failure_and_the_others_continue(monkeypatch):
    def breaks(device):
        raise SystemicError("no driver")

    def crashes(device):
        raise ZeroDivisionError("oh")

    passes = lambda device, *_: Outcome(True, "fine")  # noqa: E731
    for name, function in {
        "leases": breaks,
        "flags": passes,
        "detector": crashes,
        "memory": passes,
        "workers": passes,
    }.items():
        monkeypatch.setattr(trial, name, function)
    monkeypatch.setattr(trial, "backbone", lambda name, device: Outcome(name == "a", device))
    assert list(trial.trials("cpu", ("a", "b"))) == [
        ("leases", Outcome(False, "no driver")),
        ("flags", Outcome(True, "fine")),
        ("detector", Outcome(False, "ZeroDivisionError: oh")),
        ("a", Outcome(True, "cpu")),
        ("b", Outcome(False, "cpu")),
        ("memory", Outcome(True, "fine")),
        ("workers", Outcome(True, "fine")),
    ]


def test_generated_frames_contain_cuts():
    from trailers.detector.detector import Detector, Video

    frames = trial.synthetic_frames(shots=3)
    assert (frames.shape, frames.dtype) == ((120, 27, 48, 3), np.uint8)
    scores = Detector(precision="float32", device="cpu").scores(Video(120, lambda start, end: frames[start:end]))
    shots = find_shots(scores.single, threshold=0.5, head="single", min_frames=1)
    assert [shot.start for shot in shots][:2] == [0, 40]


def test_a_device_that_rounds_float32_is_noticed_in_a_separate_process(monkeypatch):
    monkeypatch.setattr(machine_trial.subprocess, "run", lambda *given, **named: Done(0, "False\n", ""))
    assert machine_trial.flags("cuda").passed is False
    monkeypatch.setattr(machine_trial.subprocess, "run", lambda *given, **named: Done(1, "", "x\nCUDA error: lost\n"))
    assert machine_trial.flags("cuda").words.endswith("failed: CUDA error: lost")


class Done:
    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr
