"""What a run shows in the terminal: one line per running stage, and short errors of failed jobs.

Only the handler that writes to the terminal is changed; Snakemake's log file is complete as usual.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trailers.machine import live
from trailers.plan.studies import Plan
from trailers.store.failures import read_failures

HANDLER = "DefaultStreamHandler"  # Snakemake's own; if a logger plugin replaces it, nothing is changed


def begin(workflow: Any, plan: Plan) -> None:
    """Change the terminal output of a run; called when the first job is about to start."""
    handlers = [handler for handler in workflow.logger_manager.logger.handlers if handler.name == HANDLER]
    if not workflow.is_main_process or not handlers:
        return
    handler = handlers[0]
    handler.addFilter(is_news)
    handler.setFormatter(ShortErrors(handler.formatter, plan.layout.root, is_shown=workflow.local_exec))
    if not workflow.output_settings.quiet and live.is_terminal(handler.stream):
        outputs = [str(job.output[0]) for job in workflow.dag.needrun_jobs() if job.output]
        drawn = live.start(Path(f".snakemake/progress-{os.getpid()}"), totals(plan, outputs), handler.stream)
        handler.stream = live.Above(drawn)
        atexit.register(drawn.stop)


def totals(plan: Plan, outputs: Iterable[str]) -> dict[str, int]:
    """Stage and variant -> trailers of the shards whose ledgers are among ``outputs``."""
    found: Counter[str] = Counter()
    folder = plan.layout.root / "ledger"
    for path in map(Path, outputs):
        if path.is_relative_to(folder):
            found[" ".join(path.relative_to(folder).parts[:-1])] += len(plan.members(path.stem))
    return dict(found)


def is_news(record: logging.LogRecord) -> bool:
    """False for the command of a failed job, which Snakemake writes before the error of the job itself."""
    is_rule_error = getattr(record, "exception", "") == "RuleException"
    return not (is_rule_error and "CalledProcessError in file" in record.getMessage())


class ShortErrors(logging.Formatter):
    """Formats a failed job as its own error message and the path of its log.

    Args:
        inner: formats everything else.
        root: the results folder.
        is_shown: whether jobs write their error messages to this terminal themselves.
    """

    def __init__(self, inner: logging.Formatter | None, root: Path, *, is_shown: bool) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()
        self.root = root
        self.is_shown = is_shown

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "event", None)
        if getattr(event, "value", event) != "job_error":
            return self.inner.format(record)
        outputs, logs = (list(map(str, getattr(record, name, None) or ())) for name in ("output", "log"))
        lines = [f"Error in rule {getattr(record, 'rule_name', '')}: {', '.join(outputs) or 'it'} was not made."]
        lines += [] if self.is_shown else [f"    {reason}" for reason in self.reasons(outputs)]
        return "\n".join([*lines, *(f"    log: {path}" for path in logs)])

    def reasons(self, outputs: Iterable[str]) -> list[str]:
        """The recorded error messages of a job that should have made ``outputs``."""
        notes = read_failures(self.root)
        below = [Path(output).relative_to(self.root) for output in outputs if Path(output).is_relative_to(self.root)]
        return [notes[key] for path in below if (key := failure_key(path)) in notes]


def failure_key(path: Path) -> str:
    """The key of ``path``, relative to the results, in ``read_failures``."""
    return str(path.relative_to("ledger").with_suffix("") if path.parts[0] == "ledger" else path)
