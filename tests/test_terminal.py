"""What a run shows about failed jobs at the terminal, and the number of trailers of its stages."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from trailers.plan.terminal import ShortErrors, is_news, totals
from trailers.project import PROJECT
from trailers.store.layout import Layout

FLAGS = "python -m trailers download --shard x --retries 5"


def failed(**more):
    record = logging.makeLogRecord({"msg": "Error in rule download, jobid: 2", "levelno": logging.ERROR})
    vars(record).update({"event": "job_error", "rule_name": "download", "shellcmd": FLAGS, "rule_msg": None, **more})
    return record


@pytest.fixture
def root(tmp_path):
    for name in ("failures/download/s0", "failures/report/index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("the proxy is down\n")
    return tmp_path


@pytest.mark.parametrize("output", ["ledger/download/s0.tsv", "report/index.html"])
def test_a_failed_job_is_reported_with_its_own_message(root, output):
    errors = ShortErrors(None, root, is_shown=False)
    assert errors.format(failed(output=[str(root / output)], log=["logs/a.log"])) == (
        f"Error in rule download: {root / output} was not made.\n    the proxy is down\n    log: logs/a.log"
    )


@pytest.mark.parametrize("more", [{"output": ["elsewhere/x"], "log": []}, {"output": None, "log": None}, {}])
def test_a_failed_job_without_a_message_is_reported_without_its_command(root, more):
    text = ShortErrors(None, root, is_shown=False).format(failed(**more))
    assert text.startswith("Error in rule download: ")
    assert FLAGS not in text
    assert "None" not in text


def test_a_message_already_printed_to_the_terminal_is_not_repeated(root):
    text = ShortErrors(None, root, is_shown=True).format(failed(output=[str(root / "ledger/download/s0.tsv")], log=[]))
    assert "proxy" not in text


def test_all_other_messages_are_those_of_snakemake(root):
    record = logging.makeLogRecord({"msg": "Select jobs to execute...", "event": None})
    assert ShortErrors(logging.Formatter("> %(message)s"), root, is_shown=True).format(record) == (
        "> Select jobs to execute..."
    )


@pytest.mark.parametrize(
    ("exception", "words", "shown"),
    [
        ("RuleException", f"CalledProcessError in file x, line 3: Command '{FLAGS}' returned non-zero", False),
        ("RuleException", "AttributeError in file x, line 3", True),
        ("MissingInputException", "Missing input files", True),
        (None, "Finished jobid: 3", True),
    ],
)
def test_only_the_command_of_a_failed_job_is_left_out(exception, words, shown):
    more = {"exception": exception} if exception else {}
    assert is_news(logging.makeLogRecord({"msg": words, **more})) == shown


@pytest.mark.parametrize("name", ["SIGALRM", "SIGSEGV", "SIGABRT"])
def test_bash_does_not_print_the_command_of_a_job_that_a_signal_ended(name):
    rules = (PROJECT / "workflow" / "rules" / "common.smk").read_text()
    (prefix,) = re.findall(r'"(set -euo pipefail; [^"]*)"', rules)
    number = getattr(signal, name)
    job = f"{sys.executable} -c 'import os; os.kill(os.getpid(), {number})'"
    done = subprocess.run(["bash", "-c", prefix + job], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + number
    assert "python" not in done.stderr
    assert len(done.stderr.splitlines()) == 1  # such as "Segmentation fault"


def test_stages_count_the_trailers_of_the_shards_that_will_run(tmp_path):
    study = SimpleNamespace(shards={"s0000-aaaaaaaa": ("a", "b", "c"), "s0001-bbbbbbbb": ("d",)})
    plan = SimpleNamespace(layout=Layout(tmp_path), members=study.shards.__getitem__)
    ledgers = [plan.layout.ledger("shots", shard) for shard in study.shards]
    ledgers += [plan.layout.ledger("embed", "s0001-bbbbbbbb", "shot24", "resnet50"), tmp_path / "report/index.html"]
    assert totals(plan, map(str, ledgers)) == {"shots": 4, "embed shot24 resnet50": 1}
