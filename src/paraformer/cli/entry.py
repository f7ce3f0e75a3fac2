"""The entry point: one clear line and a non-zero exit code for every error; ``--debug`` shows the trace.

Exit codes: 0 done; 2 settings, 3 data, 4 model, 5 run directory or machine (disk, memory, permission), 130 interrupted
(run again to resume), 70 a bug.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path

from paraformer.cli.app import app
from paraformer.cli.interrupt import Interrupted, watch
from paraformer.core.faults import explained, refusal
from paraformer.core.system import require_system


def main() -> None:
    """Run the command line."""
    _settle_streams()
    handler = _StandardError()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("paraformer")
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    if {"-q", "--quiet"} & set(sys.argv):
        handler.setLevel(logging.WARNING)
    try:
        require_system()
        watch(_leave)
        app(prog_name="paraformer")
    except Interrupted as error:
        _leave(str(error), error.exit_code)
    except Exception as error:
        known = explained(error)
        if known is None:
            _fail(f"unexpected error: {type(error).__name__}: {error} (a bug; --debug shows where)", 70)
        elif refusal(error) is None:
            _fail(f"error: {known}", known.exit_code)
        else:  # libraries that could not write or allocate may crash while the interpreter goes down
            _leave(f"error: {known}", known.exit_code)


class _StandardError(logging.StreamHandler):
    """Lines on the standard error of the moment, which a progress bar takes over while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _settle_streams() -> None:
    """Show what the terminal's encoding lacks as question marks; print to nowhere where a stream was closed before."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for as long as we run)
        elif isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="replace")


def _fail(line: str, code: int) -> None:
    _say(line)
    sys.exit(code)


def _leave(line: str, code: int) -> None:
    """End at once: interrupted storage threads and libraries that failed must do nothing more, nor complain.

    Nothing is lost: whatever a kill leaves behind, the next run takes up.
    """
    _say(line)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _say(line: str) -> None:
    if os.environ.get("PARAFORMER_DEBUG") == "1":
        logging.getLogger("paraformer").exception("trace")
    with contextlib.suppress(OSError):  # nobody may be listening any more
        print(line.replace("\n", " "), file=sys.stderr)  # noqa: T201
