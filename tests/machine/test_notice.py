"""Long waits are announced with their cause."""

from __future__ import annotations

import threading

import pytest

from trailers.machine import notice


def test_a_long_wait_is_reported_once_and_a_short_one_not_at_all(monkeypatch, capsys):
    shown = threading.Event()
    monkeypatch.setattr(notice, "show_notice", lambda words, show=notice.show_notice: (show(words), shown.set()))
    with notice.notice_if_slow("reading manifest.csv", after_s=60):
        pass
    with notice.notice_if_slow("looking at weights/resnet50.pth", after_s=0.01):
        assert shown.wait(20)
    assert capsys.readouterr().err == "still looking at weights/resnet50.pth ...\n"


def test_an_exception_is_passed_on_and_nothing_is_printed_afterwards(capsys):
    with pytest.raises(ValueError, match="no"), notice.notice_if_slow("looking", after_s=0.05):
        raise ValueError("no")
    threading.Event().wait(0.1)
    assert capsys.readouterr().err == ""
