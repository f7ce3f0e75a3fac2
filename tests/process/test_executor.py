"""Executors: the same bytes wherever chunks run, lost workers survived, each chunk written once, errors as they are."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import xarray as xr
from dask import config as dask_settings
from distributed import Client, LocalCluster, default_client
from pydantic import ValidationError

from paraformer.config import Study, load_study
from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError, RunError
from paraformer.core.files import hash_path
from paraformer.core.log import Progress
from paraformer.core.schema import Cube
from paraformer.data.cube import build_cube
from paraformer.pipeline.world import make_world
from paraformer.process import executor as executor_module
from paraformer.process import recipe as recipe_module
from paraformer.process.build import build_process
from paraformer.process.config import DaskExecutor, LocalExecutor, ProcessConfig
from paraformer.process.ensemble import Sets, run_sets
from paraformer.process.executor import CellSource, Dask, Executor, Local, memory, open_executor
from paraformer.process.files import ProcessFiles
from paraformer.process.recipe import ChunkedModel, ProcessRecipe, chunked
from process.lossy import LossyRecipe, days_of, where, whole
from worlds import write_study

CELLS, DAYS = 23, 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Dask]:
    """Two worker processes of their own, which their nannies start again when they die."""
    with open_executor(DaskExecutor(workers=2)) as executor:
        assert isinstance(executor, Dask)
        yield executor


@pytest.fixture
def dask(cluster: Dask) -> Dask:
    """The cluster with both its workers, whatever the test before did to them."""
    cluster.client.wait_for_workers(2, timeout=120)
    return cluster


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Six cells of the built-in world, two years, as files."""
    folder = tmp_path_factory.mktemp("world")
    study = load_study(write_study(folder, data__synthetic={"rows": 2, "columns": 3, "years": 2}))
    make_world(study, folder)
    build_cube(study.data, folder / "cube.zarr", inputs=folder / "inputs.nc")
    return study, folder


def recipe_of(world: tuple[Study, Path], days: tuple[int, int] | None = None) -> ProcessRecipe:
    study, folder = world
    files = ProcessFiles(folder / "params.nc", folder / "domain.nc")
    return ProcessRecipe(study.process, study.space, folder / "cube.zarr", files, days)


def theta(source: CellSource, sets: int) -> np.ndarray:
    unit = np.random.default_rng(1).random((source.n_cells, sets, len(source.parameters)))
    return source.parameters.from_unit(unit)


def archive(source: CellSource, path: Path, days: np.ndarray, executor: Executor, chunk_cells: int = 4) -> str:
    """Hash of an archive of five sets."""
    n = source.n_cells
    axes = {"cell": np.arange(n) + 100, "time": days, "lat": np.linspace(30, 40, n), "lon": np.linspace(-90, -80, n)}
    outputs = ("soil_moisture", "baseflow")
    run_sets(
        source,
        Sets(theta(source, 5)),
        path / "runs.zarr",
        outputs=outputs,
        axes=axes,
        chunk_cells=chunk_cells,
        progress=Progress(),
        executor=executor,
    )
    assert not list(path.rglob("*.partial"))
    return hash_path(path / "runs.zarr")


@pytest.fixture
def recipe(tmp_path: Path) -> LossyRecipe:
    (tmp_path / "deaths").mkdir()
    return LossyRecipe(CELLS, DAYS, tmp_path / "deaths")


def test_dask_gives_the_bytes_of_local(tmp_path: Path, recipe: LossyRecipe, dask: Dask) -> None:
    days = days_of(recipe)
    local = archive(whole(CELLS, DAYS), tmp_path / "local", days, Local())
    assert archive(recipe, tmp_path / "recipe", days, dask) == local
    assert archive(whole(CELLS, DAYS), tmp_path / "memory", days, dask) == local
    assert archive(recipe, tmp_path / "other", days, dask, chunk_cells=23) != local  # the layout is part of the bytes
    readers = {path.name.rsplit("-")[-1] for path in recipe.folder.glob("read-*")}
    assert len(readers) == 2, "both workers take part"


def test_lost_workers_change_nothing(tmp_path: Path, recipe: LossyRecipe, dask: Dask) -> None:
    lossy = LossyRecipe(CELLS, DAYS, recipe.folder, fatal=9, deaths=2)
    found = archive(lossy, tmp_path / "lossy", days_of(recipe), dask)
    assert len(list(recipe.folder.glob("death-*"))) == 2
    assert found == archive(whole(CELLS, DAYS), tmp_path / "local", days_of(recipe), Local())


def test_a_chunk_that_kills_every_worker_ends_the_run_and_keeps_the_rest(
    tmp_path: Path, recipe: LossyRecipe, dask: Dask
) -> None:
    lossy = LossyRecipe(CELLS, DAYS, recipe.folder, fatal=22, deaths=100)
    with pytest.raises(ModelError, match="workers were lost 1 times on the same chunk of cells"):
        archive(lossy, tmp_path / "lossy", days_of(recipe), Dask(dask.client, retries=0))
    healed = LossyRecipe(CELLS, DAYS, tmp_path)
    resumed = archive(healed, tmp_path / "lossy", days_of(recipe), dask)
    assert resumed == archive(whole(CELLS, DAYS), tmp_path / "local", days_of(recipe), Local())
    assert len(list(tmp_path.glob("read-*"))) < 6, "chunks that were done are not run again"


def test_errors_of_the_model_come_through_once(tmp_path: Path, recipe: LossyRecipe, dask: Dask) -> None:
    outside = Sets(np.full((CELLS, 1, 3), 1e6))
    axes = {"cell": np.arange(CELLS), "time": days_of(recipe), "lat": np.zeros(CELLS), "lon": np.zeros(CELLS)}
    with pytest.raises(DataError, match="out of bounds: parameter 'residence'"):
        run_sets(
            recipe,
            outside,
            tmp_path / "runs.zarr",
            outputs=("baseflow",),
            axes=axes,
            chunk_cells=4,
            progress=Progress(),
            executor=dask,
        )
    assert not list(recipe.folder.glob("death-*"))


def test_a_worker_with_another_version_of_the_model_is_refused(
    recipe: LossyRecipe, tmp_path: Path, dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "our_digest", lambda: 1)
    with pytest.raises(ModelError, match="another version of the process model"):
        archive(recipe, tmp_path / "a", days_of(recipe), dask)


def test_jobs_are_taken_as_they_are_needed(dask: Dask) -> None:
    taken = []

    def jobs() -> Iterator[tuple[int]]:
        for number in range(50):
            taken.append(number)
            yield (number,)

    results = dask.run(abs, jobs())
    first = next(results)
    assert len(taken) < 20
    assert sorted([first, *results]) == list(range(50))


def test_jobs_of_one_place_go_to_one_worker(dask: Dask) -> None:
    jobs = [(number % 2, number) for number in range(40)]
    found = list(dask.run(where, jobs, place=lambda job: job[0]))
    assert sorted((place, number) for place, number, _ in found) == sorted(jobs)
    usual = [Counter(pid for at, _, pid in found if at == place).most_common(1)[0] for place in (0, 1)]
    assert usual[0][0] != usual[1][0]
    assert min(count for _, count in usual) > 10, "an idle worker may take some, not most"


def test_a_running_scheduler_is_used_and_left_running(dask: Dask) -> None:
    config = DaskExecutor(scheduler=dask.client.scheduler.address)
    for _ in range(2):
        with open_executor(config) as executor:
            assert list(executor.run(abs, [(-3,)])) == [3]


def test_a_connection_that_another_client_disturbs_is_tried_again(dask: Dask, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a client that came to nothing takes no work of others."""
    connect, tried = Client._ensure_connected, []

    async def disturbed(client: Client, timeout: float | None = None) -> None:
        await connect(client, timeout=timeout)
        tried.append(client.id)
        if len(tried) < 3:
            raise AssertionError

    monkeypatch.setattr(Client, "_ensure_connected", disturbed)
    with open_executor(DaskExecutor(scheduler=dask.client.scheduler.address)) as executor:
        assert list(executor.run(abs, [(-3,)])) == [3]
        assert len(tried) == 3
        with pytest.raises(ValueError, match="No clients found"):
            default_client()
    tried.clear()
    monkeypatch.setattr(executor_module, "_CONNECTIONS", 2)
    config = DaskExecutor(scheduler=dask.client.scheduler.address)
    with pytest.raises(RunError, match="disturbed by other clients 2 times"), open_executor(config):
        pass


def test_a_run_disturbs_no_other_client(dask: Dask) -> None:
    """A broadcast at the moment in which another client connects would cost that client its connection."""
    with mock.patch.object(dask.client, "cancel", wraps=dask.client.cancel) as cancel:
        assert list(dask.run(abs, [(-3,)])) == [3]
        cancel.assert_not_called()
        next(unfinished := dask.run(abs, [(number,) for number in range(40)]))
        unfinished.close()
        cancel.assert_called_once()


def test_no_scheduler_and_no_worker_are_errors() -> None:
    with (
        pytest.raises(RunError, match=r"process.executor.scheduler: no Dask scheduler at tcp://127.0.0.1:1"),
        open_executor(DaskExecutor(scheduler="tcp://127.0.0.1:1", patience=0.5)),
    ):
        pass
    with LocalCluster(n_workers=0, processes=True, dashboard_address=None, silence_logs=50) as empty:
        config = DaskExecutor(scheduler=empty.scheduler_address, patience=0.5)
        with pytest.raises(RunError, match=r"no worker joined .* in 0.5 s"), open_executor(config):
            pass


def test_settings() -> None:
    assert isinstance(ProcessConfig().executor, LocalExecutor)
    with open_executor(LocalExecutor()) as executor:
        assert list(executor.run(abs, [(-1,), (2,)])) == [1, 2]
    with pytest.raises(ValidationError, match="'workers' applies to worker processes on this machine only"):
        DaskExecutor(scheduler="tcp://a:8786", workers=3)


def test_recipe_is_the_model_of_its_files(world: tuple[Study, Path], tmp_path: Path, dask: Dask) -> None:
    """VIC in memory, VIC read chunk by chunk, and VIC on workers write the same archive."""
    study, folder = world
    cube = Cube.open(folder / "cube.zarr")
    recipe = recipe_of(world)
    model = build_process(study.process, study.space, cube, recipe.files)
    np.testing.assert_array_equal(recipe.prior(), model.prior())
    whole_model = archive(model, tmp_path / "a", cube.time, Local(), chunk_cells=2)
    assert archive(recipe, tmp_path / "b", cube.time, Local(), chunk_cells=2) == whole_model
    assert archive(recipe, tmp_path / "c", cube.time, dask, chunk_cells=2) == whole_model
    with xr.open_zarr(tmp_path / "c" / "runs.zarr", consolidated=False) as found:
        own = model.simulate(found["theta"].values, ("soil_moisture",))["soil_moisture"].astype(np.float32)
        np.testing.assert_array_equal(found["soil_moisture"].values, own)


def test_the_device_of_a_study_reaches_vic_in_memory_and_by_recipe(world: tuple[Study, Path]) -> None:
    study, folder = world
    settings = study.process.model_copy(update={"device": "cuda"})
    recipe = recipe_of((study.model_copy(update={"process": settings}), folder))
    assert build_process(settings, study.space, Cube.open(folder / "cube.zarr"), recipe.files).device == "cuda"
    assert recipe.select(np.arange(2)).device == "cuda"
    assert recipe_of(world).select(np.arange(2)).device == "cpu"


def test_recipe_takes_cells_in_any_order_and_days_of_a_part(world: tuple[Study, Path]) -> None:
    recipe = recipe_of(world)
    cells = np.array([4, 0, 4, 3])
    both = recipe.select(np.arange(6)).select(cells).simulate(None, ("runoff",))["runoff"]
    np.testing.assert_array_equal(recipe.select(cells).simulate(None, ("runoff",))["runoff"], both)
    part = recipe_of(world, (0, 200)).select(cells).simulate(None, ("runoff",))["runoff"]
    np.testing.assert_array_equal(part, both[..., :200])


def test_chunked_model_is_the_model(world: tuple[Study, Path], dask: Dask) -> None:
    recipe = recipe_of(world)
    direct = recipe.select(np.arange(6))
    for executor in (Local(), dask):
        chunked = ChunkedModel(recipe, recipe.outputs, executor, chunk_cells=4)
        assert isinstance(chunked, ForwardModel)
        values = theta(chunked, 3)
        for name, series in direct.simulate(values, ("soil_moisture", "swe")).items():
            np.testing.assert_array_equal(chunked.simulate(values, ("soil_moisture", "swe"))[name], series)
        some = np.array([5, 1])
        a_priori = chunked.select(some).simulate(None, ("runoff",))["runoff"]
        np.testing.assert_array_equal(a_priori, direct.select(some).simulate(None, ("runoff",))["runoff"])
        assert chunked.runs == 2 * 18


def test_a_model_in_memory_runs_in_chunks_too(dask: Dask) -> None:
    model = whole(CELLS, DAYS)
    for executor in (Local(), dask):
        chunked = ChunkedModel(model, model.outputs, executor, chunk_cells=4).select(np.array([7, 2, 20]))
        values = theta(model, 3)[[7, 2, 20]]
        direct = model.select(np.array([7, 2, 20])).simulate(values, ("baseflow",))["baseflow"]
        np.testing.assert_array_equal(chunked.simulate(values, ("baseflow",))["baseflow"], direct)
        assert chunked.runs == 9


def test_one_process_takes_many_cells_together_and_workers_take_chunks(world: tuple[Study, Path], dask: Dask) -> None:
    recipe = recipe_of(world)
    assert chunked(recipe, Local(), 4).chunk_cells == recipe_module.TOGETHER
    assert chunked(recipe, dask, 4).chunk_cells == 4
    assert chunked(recipe, Local(), 5000).chunk_cells == 5000


def test_workers_that_cannot_start_are_said(tmp_path: Path) -> None:
    """Their folder is no folder, as on a machine whose temporary disk is gone."""
    (tmp_path / "file").write_text("")
    with (
        dask_settings.set({"temporary-directory": str(tmp_path / "file")}),
        pytest.raises(RunError, match=r"^process.executor: 2 Dask worker\(s\) could not start here \(.*file"),
        open_executor(DaskExecutor(workers=2)),
    ):
        pass


def test_a_chunk_is_read_once_and_another_version_of_the_files_anew(
    recipe: LossyRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "_kept", kept := recipe_module._Kept())
    model = ChunkedModel(recipe, ("baseflow",), Local(), chunk_cells=8)
    for _ in range(3):
        model.simulate(theta(recipe, 1), ("baseflow",))
        model.select(np.array([1, 9])).simulate(None, ("baseflow",))
    read = list(recipe.folder.glob("read-*"))
    assert len(read) == len(kept.models) == 3
    other = dataclasses.replace(recipe, deaths=1)  # equal but for what is read
    ChunkedModel(other, ("baseflow",), Local(), chunk_cells=8).simulate(theta(recipe, 1), ("baseflow",))
    assert len(kept.models) == 6
    size = max(size for _, size in kept.models.values())
    assert size > 8 * DAYS * 8, "its rain"
    monkeypatch.setattr(recipe_module, "memory", lambda: 8 * size)
    model.simulate(theta(recipe, 1), ("baseflow",))
    assert len(kept.models) == 6, "nothing new, nothing leaves"
    ChunkedModel(recipe, ("baseflow",), Local(), chunk_cells=7).simulate(theta(recipe, 1), ("baseflow",))
    assert len(kept.models) == 2


def test_a_worker_s_memory_is_its_own_limit(dask: Dask) -> None:
    (limit,) = set(dask.client.run(lambda dask_worker: dask_worker.memory_manager.memory_limit).values())
    assert list(dask.run(memory, [()])) == [limit]
    assert memory() > limit


def test_description_names_what_values_depend_on_and_nothing_else(world: tuple[Study, Path], dask: Dask) -> None:
    """A search goes on from its checkpoint wherever it ran before, not with other weather or days."""
    recipe = recipe_of(world)
    same = [
        ChunkedModel(dataclasses.replace(recipe, version="a"), recipe.outputs, executor, chunk_cells=chunk)
        for executor, chunk in ((Local(), 4), (dask, 2))
    ]
    assert same[0].description() == same[1].description()
    assert recipe.description()["inputs"] == [hash_path(recipe.cube), recipe.files.hashes()]
    for other in (dataclasses.replace(recipe, version="b"), dataclasses.replace(recipe, version="a", days=(0, 9))):
        assert other.description() != same[0].description()
    assert same[0].select(np.array([1])).description() != same[0].description()


def test_files_a_machine_cannot_read_are_named(world: tuple[Study, Path], tmp_path: Path) -> None:
    study, _ = world
    lost = ProcessRecipe(study.process, study.space, tmp_path / "cube.zarr", recipe_of(world).files)
    with pytest.raises(DataError, match=r"cube.zarr/zarr.json: cannot be read on "):
        lost.select(np.array([0]))
