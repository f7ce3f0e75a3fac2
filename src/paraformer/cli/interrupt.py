"""Ctrl-C: work in Python ends by itself; compiled code, which does not look up for minutes, is ended with the process.

Nothing is lost in either case: whatever a kill leaves behind, the next run takes up.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paraformer.core.errors import ParaformerError

RESUMES = "interrupted; the same command goes on where it stopped"
"""What to say of work that is resumed."""

GRACE = 0.5
"""Seconds that work in Python has to end."""

_words: list[str] = []


class Interrupted(ParaformerError):
    """The user pressed Ctrl-C; everything finished so far is kept."""

    exit_code = 130


@contextmanager
def interruptible(words: str) -> Iterator[None]:
    """Context of work that Ctrl-C ends with these words.

    Raises:
        Interrupted: on Ctrl-C.
    """
    _words.append(words)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(words) from None
    finally:
        _words.pop()


def watch(leave: Callable[[str, int], None]) -> None:
    """End the process ``GRACE`` after Ctrl-C if it is still there.

    The signal reaches Python's handler only when compiled code returns; a pipe that C writes to is read by a thread,
    which runs meanwhile since compiled code releases the interpreter's lock.

    Args:
        leave: ends the process with a line and an exit code.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # ignored, as of a job in the background
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(reader, 1) != bytes([signal.SIGINT]):
            pass
        words = _words[-1] if _words else "interrupted"
        time.sleep(GRACE)
        leave(words, Interrupted.exit_code)

    threading.Thread(target=wait, name="interrupt", daemon=True).start()
