"""Where chunks of cells run: in this process, or on the workers of a Dask cluster that may be lost on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

import dask
import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import ModelError, RunError
from paraformer.core.faults import refusal
from paraformer.core.parameters import ParameterSpace
from paraformer.process.config import DaskExecutor, ExecutorConfig, LocalExecutor
from paraformer.process.vic.jit import code_digest

logger = logging.getLogger(__name__)

T = TypeVar("T")
Job = tuple[Any, ...]
Place = Callable[[Job], int]
"""A number of a job: equal numbers go to the same worker as long as it lives, which may have kept something."""

_CONNECTIONS = 5
"""How often a connection that other clients disturb is tried."""

_ONE_AT_A_TIME = threading.Lock()
"""The process model brings its own threads, and numba's pool takes one caller at a time."""


@runtime_checkable
class CellSource(Protocol):
    """Gives the forward model of any of its cells, as a recipe does that reads files."""

    @property
    def parameters(self) -> ParameterSpace: ...

    @property
    def n_cells(self) -> int: ...

    def select(self, cells: np.ndarray) -> ForwardModel: ...

    def __hash__(self) -> int: ...


@runtime_checkable
class Recipe(CellSource, Protocol):
    """A source that says what its models depend on, and where learning begins."""

    def description(self) -> Any: ...

    def prior(self) -> Float[np.ndarray, "cell parameter"]: ...


Source = CellSource | ForwardModel
"""A recipe, or a forward model in memory, which gives its own cells."""


@runtime_checkable
class Executor(Protocol):
    """Runs independent jobs. ``remote``: arguments and results travel between processes."""

    remote: bool

    def run(self, function: Callable[..., T], jobs: Iterable[Job], place: Place | None = None) -> Iterator[T]:
        """Results of ``function(*job)``, each once, in any order; jobs are taken as they are needed."""
        ...


class Local:
    """One job after the other, in this process."""

    remote = False

    def run(self, function: Callable[..., T], jobs: Iterable[Job], place: Place | None = None) -> Iterator[T]:
        """Results in the order of the jobs."""
        return (function(*job) for job in jobs)


class Dask:
    """Jobs as tasks of a Dask cluster.

    A task whose worker dies is given to another one: first by the scheduler, as often as its ``allowed-failures``
    says (never on a cluster of our own), then by us. An error of the job itself is raised at once, whoever ran it.

    Args:
        client: connected ``distributed.Client``.
        retries: how often a job is given out again after the scheduler has given it up.
    """

    remote = True

    def __init__(self, client: Any, retries: int) -> None:
        self.client = client
        self.retries = retries

    def run(self, function: Callable[..., T], jobs: Iterable[Job], place: Place | None = None) -> Iterator[T]:
        """Results as they are finished; a few jobs a worker are in flight, so that arguments need little memory.

        A worker that is asked for by ``place`` is preferred, not waited for: an idle one may take the job.

        Raises:
            ModelError: if workers were lost more often than allowed on the same job, or run other code than ours.
        """
        from distributed import CancelledError, KilledWorker, as_completed

        left, completed = iter(jobs), as_completed(loop=self.client.loop)
        flying: dict[Any, tuple[Job, int]] = {}

        def submit(job: Job, lost: int, workers: Sequence[str] = ()) -> None:
            wish = {"workers": [workers[place(job) % len(workers)]]} if place is not None and workers else {}
            future = self.client.submit(
                _on_worker, our_digest(), function, job, pure=False, allow_other_workers=bool(wish), **wish
            )
            flying[future] = (job, lost)
            completed.add(future)

        def fill() -> None:
            threads = self.client.nthreads()
            for job in islice(left, max(0, 3 * max(1, sum(threads.values())) - len(flying))):
                submit(job, 0, sorted(threads))

        try:
            fill()
            for future in completed:
                job, lost = flying.pop(future)
                try:
                    result = future.result()
                except (KilledWorker, CancelledError) as error:
                    if lost >= self.retries:
                        raise ModelError(
                            f"workers were lost {lost + 1} times on the same chunk of cells; their logs say why "
                            "(most often memory: lower ensemble.chunk_cells, or give workers more)"
                        ) from error
                    logger.warning("a worker was lost; its chunk of cells is given out again (%d)", lost + 1)
                    submit(job, lost + 1)
                    continue
                yield result
                fill()
        finally:
            if flying:  # the scheduler tells every client of it, even of nothing
                self.client.cancel(list(flying))


@contextmanager
def open_executor(config: ExecutorConfig) -> Iterator[Executor]:
    """Context of an executor; a cluster of worker processes on this machine ends with it.

    Raises:
        RunError: if no scheduler answers, or no worker comes in time.
    """
    if isinstance(config, LocalExecutor):
        yield Local()
        return
    with _cluster(config) as cluster, _client(config, cluster) as client:
        try:
            client.wait_for_workers(1, timeout=config.patience)
        except TimeoutError as error:
            raise RunError(
                f"process.executor: no worker joined {config.scheduler or 'the local cluster'} in {config.patience:g} s"
            ) from error
        logger.info("process model: %d worker(s) at %s", len(client.nthreads()), client.scheduler.address)
        yield Dask(client, config.retries)


def deferred(source: Source, cells: np.ndarray, executor: Executor) -> Callable[[], ForwardModel]:
    """What gives the model of some cells where the job runs.

    A recipe travels as it is and is read there. A model in memory is cut here, so that only its part travels.
    """
    if executor.remote and isinstance(source, ForwardModel):
        return partial(_same, source.select(cells))
    return partial(source.select, cells)


@lru_cache(maxsize=1)
def memory() -> int:
    """Bytes this process may use: a Dask worker's limit, or else what the machine (or its container) has."""
    from distributed import get_worker
    from distributed.system import MEMORY_LIMIT

    try:
        limit = get_worker().memory_manager.memory_limit
    except ValueError:  # not in a worker
        limit = None
    return int(limit or MEMORY_LIMIT)


def _same(model: ForwardModel) -> ForwardModel:
    return model


@lru_cache(maxsize=1)
def our_digest() -> int:
    """Digest of the code that makes a model from a recipe and runs it, which every worker must share."""
    return code_digest(("paraformer",), "paraformer.process.recipe", "paraformer.process.ensemble")


def _on_worker(digest: int, function: Callable[..., T], job: Job) -> T:
    """One job on a worker, which reads by itself: a task of the cluster for its reading would wait for its own end."""
    if digest != our_digest():
        raise ModelError("a worker runs another version of the process model; install the same one everywhere")
    with _ONE_AT_A_TIME, dask.config.set(scheduler="synchronous"):
        return function(*job)


@contextmanager
def _cluster(config: DaskExecutor) -> Iterator[Any]:
    """Worker processes on this machine; the cores are shared out among them.

    Raises:
        RunError: if they cannot start.
    """
    if config.scheduler is not None:
        with nullcontext(config.scheduler) as address:
            yield address
        return
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    count = config.workers or CPU_COUNT
    threads = str(max(1, CPU_COUNT // count))
    environment = {"NUMBA_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            started = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any port, so that two clusters do not meet
                silence_logs=logging.CRITICAL,
                env=environment,
            )
        except (OSError, RuntimeError) as error:
            reason = refusal(error) or error.__cause__ or error
            raise RunError(f"process.executor: {count} Dask worker(s) could not start here ({reason})") from error
        with started as cluster:
            yield cluster


@contextmanager
def _client(config: DaskExecutor, cluster: Any) -> Iterator[Any]:
    try:
        client = _connected(cluster, config.patience)
    except (OSError, ValueError) as error:
        raise RunError(f"process.executor.scheduler: no Dask scheduler at {config.scheduler} ({error})") from error
    with client:
        yield client


def _connected(cluster: Any, patience: float) -> Any:
    """Client of a cluster. Dask arrays are not computed there, as they would be by a default client.

    A client asserts that its first message comes alone, which is not so when another client of the same scheduler
    cancels tasks at that moment; then it tries again.

    Raises:
        OSError, ValueError: if no scheduler answers.
        RunError: if other clients disturb every try.
    """
    from distributed import Client

    for _ in range(_CONNECTIONS):
        try:
            return Client(cluster, timeout=patience, set_as_default=False)
        except AssertionError:
            logger.info("the connection to the Dask scheduler was disturbed by another client; trying again")
    raise RunError(
        f"process.executor: the connection to the Dask scheduler was disturbed by other clients {_CONNECTIONS} times; "
        "run the same command again"
    )
