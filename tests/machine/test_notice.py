"""Whoever waits is told what for."""

from __future__ import annotations

import threading

import pytest

from trailers.machine import notice


def test_what_takes_long_is_said_once_and_what_does_not_is_silent(monkeypatch, capsys):
    said = threading.Event()
    monkeypatch.setattr(notice, "say", lambda words, say=notice.say: (say(words), said.set()))
    with notice.notice_if_slow("reading manifest.csv", after_s=60):
        pass
    with notice.notice_if_slow("looking at weights/resnet50.pth", after_s=0.01):
        assert said.wait(20)
    assert capsys.readouterr().err == "still looking at weights/resnet50.pth ...\n"


def test_a_failure_passes_through_and_nothing_is_said_later(capsys):
    with pytest.raises(ValueError, match="no"), notice.notice_if_slow("looking", after_s=0.05):
        raise ValueError("no")
    threading.Event().wait(0.1)
    assert capsys.readouterr().err == ""
