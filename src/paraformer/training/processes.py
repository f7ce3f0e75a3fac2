"""Work shared by several processes of this machine: their progress is shown here, and their error raised here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch.multiprocessing as multiprocessing
from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from paraformer.core.errors import RunError
from paraformer.core.faults import explained
from paraformer.core.log import Advance, Progress


class Reports(Progress):
    """Progress of a process that has no terminal: it goes through a queue to the process that has."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        self.queue.put((description, total, unit, done))

        def advance(steps: int = 1, note: str = "") -> None:
            self.queue.put((steps, note))

        yield advance


def in_processes(fabric: Fabric, work: Callable[..., Any], job: Any, progress: Progress) -> Any:
    """Result of ``work(fabric, job, progress)`` in the first of the processes that ``fabric`` starts anew (spawn).

    ``work`` and ``job`` are sent to every process: a function of a module, and values that can be pickled. Tensors are
    not copied, so what a process changes must be copied first. The other processes get a silent progress.

    Raises:
        ParaformerError: the one that a process raised.
        RunError: a process was killed.
    """
    context = multiprocessing.get_context("spawn")
    reports, failures = context.SimpleQueue(), context.SimpleQueue()
    shown = threading.Thread(target=_show, args=(reports, progress), daemon=True)
    shown.start()
    try:
        # A partial, because Fabric looks into arguments, and stumbles over frozen dataclasses there.
        return fabric.launch(partial(_work, work=work, job=job, reports=reports, failures=failures))
    except ProcessRaisedException:
        if failures.empty():
            raise
        raise failures.get() from None
    except ProcessExitedException as error:
        raise RunError(f"training: a process was lost ({error}); most often memory: lower cells_per_batch") from error
    finally:
        reports.put(None)
        shown.join()


def _work(fabric: Fabric, work: Callable[..., Any], job: Any, reports: Any, failures: Any) -> Any:
    try:
        return work(fabric, job, Reports(reports) if fabric.is_global_zero else Progress())
    except Exception as error:
        known = explained(error)
        if known is not None:
            failures.put(known)
        raise


def _show(reports: Any, progress: Progress) -> None:
    """Show what comes through the queue until ``None`` comes."""
    first = reports.get()
    if first is None:
        return
    description, total, unit, done = first
    with progress.task(description, total, unit=unit, done=done) as advance:
        while (report := reports.get()) is not None:
            advance(*report)
