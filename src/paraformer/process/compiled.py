"""A user's own compiled VIC-5 (``vic_image.exe``) behind the contract ``core.contracts.ForwardModel``.

Every parameter set of a block of cells is one process: a parameter file with θ in it, a global parameter file that
names it, one daily history file back. Whatever the program can do (full energy balance, frozen soil) it may do here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError, SettingsError, nearest
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.process.config import ProcessConfig
from paraformer.process.vic.domain import locate
from paraformer.process.vic.driver.global_param import grid_names, is_classic, period
from paraformer.process.vic.driver.keys import REPEATED_KEYS, STREAM_KEYS
from paraformer.process.vic.driver.lines import Keys, read_lines
from paraformer.process.vic.files import (
    Domain,
    GridNames,
    open_dataset,
    read_variable,
    write_parameters,
)
from paraformer.process.vic.land import read_land, run_cells
from paraformer.process.vic.outputs import OFFERED, OUTPUTS, as_asked, in_millimetres
from paraformer.process.vic.parameters import CellParameters, a_priori

_OURS = {
    *STREAM_KEYS,
    "PARAMETERS",
    "RESULT_DIR",
    "STATENAME",
    "STATEYEAR",
    "STATEMONTH",
    "STATEDAY",
    "STATESEC",
    "STATE_FORMAT",
    "LOG_DIR",
}
"""Keys of the user's file that are replaced, or left out."""
_END = {"NRECS", "ENDYEAR", "ENDMONTH", "ENDDAY"}
_TAIL = 5  # lines of the log that an error shows
_NETCDF = threading.Lock()
"""Held while a netCDF file is open, the library not being safe in threads, and while a program is started: a process
forked meanwhile would share the open file and with it HDF5's lock on it, so that the next to open it is refused."""


@dataclass(frozen=True)
class CompiledFiles:
    """What a global parameter file says about a run, as far as this model must know it.

    Attributes:
        lines: the file's other lines, environment variables replaced.
        parameters: a-priori parameter file.
        names: names of its coordinates.
        domain: grid and cells to run.
        cell_parameters: a-priori parameters of these cells.
        first_day: first day of the run.
        n_day: number of days.
        named: files whose content the results depend on, beside the program and the forcing, by name.
    """

    lines: tuple[str, ...]
    parameters: Path
    names: GridNames
    domain: Domain
    cell_parameters: CellParameters
    first_day: np.datetime64
    n_day: int
    named: tuple[tuple[str, Path], ...]

    def until(self, n_day: int) -> CompiledFiles:
        """The same run, ended after ``n_day`` days."""
        year, month, day = str(self.first_day + n_day - 1).split("-")
        kept = tuple(line for line in self.lines if line.split()[0] not in _END)
        return replace(self, n_day=n_day, lines=(*kept, f"ENDYEAR {year}", f"ENDMONTH {month}", f"ENDDAY {day}"))


def read_compiled_files(path: Path | str, environment: Mapping[str, str] | None = None) -> CompiledFiles:
    """Read a global parameter file of the image driver for a compiled VIC; options are the program's business.

    Raises:
        DataError: missing files.
        SettingsError: a missing key, naming it.
    """
    lines = read_lines(path, environment)
    if is_classic(lines):
        raise DataError(f"{path}: a file of VIC's classic driver; make an image-driver one with 'vic convert'")
    keys = Keys(path, lines, REPEATED_KEYS)
    first_day, n_day = period(keys)
    names = grid_names(keys)
    parameters = keys.path_of("PARAMETERS").absolute()
    domain = run_cells(parameters, keys.path_of("DOMAIN"), names)
    _require_order(parameters, domain, names)
    kept = tuple(" ".join((line.key, *line.values)) for line in lines if line.key not in _OURS)
    bands = keys.text("SNOW_BAND", "FALSE").upper() == "TRUE"
    cells = read_land(parameters, domain, names=names, snow_bands=bands).parameters
    named = {"parameters": parameters, "domain": keys.path_of("DOMAIN").absolute()}
    if keys.text("INIT_STATE", "FALSE").upper() != "FALSE":
        named["initial_state"] = keys.path_of("INIT_STATE").absolute()
    return CompiledFiles(kept, parameters, names, domain, cells, first_day, n_day, tuple(named.items()))


def _require_order(parameters: Path, domain: Domain, names: GridNames) -> None:
    """Raise unless the parameter file has its cells where the domain has them: VIC-5 joins files by position."""
    with open_dataset(parameters) as dataset:
        located = locate(dataset, domain, names)
    row, column = np.nonzero(domain.mask)
    moved = (located.row != row) | (located.column != column)
    if located.shape != domain.mask.shape or moved.any():
        at = int(np.argmax(moved))
        raise DataError(
            f"{parameters}: {domain.words(at)} of {domain.source} is at row {located.row[at]}, column "
            f"{located.column[at]}; expected the same position in both files, as VIC-5 takes it"
        )


def compiled_files(config: ProcessConfig) -> tuple[tuple[tuple[str, Path], ...], Path]:
    """What the runs of a study's compiled VIC depend on, by name, and the parameter file among it.

    Raises:
        SettingsError: if the global parameter file lacks a key.
        DataError: if a file is missing.
    """
    assert config.executable is not None
    assert config.global_parameters is not None
    for path in (config.executable, config.global_parameters):
        if not path.is_file():
            raise DataError(f"{path}: no such file")
    if not os.access(config.executable, os.X_OK):
        raise DataError(f"{config.executable}: not a program that may be run (process.executable)")
    found = read_compiled_files(config.global_parameters)
    ours = (("executable", config.executable), ("global_parameters", config.global_parameters))
    return (*ours, *found.named), found.parameters


def build_compiled(config: ProcessConfig, space: ParameterSpace, cube: Cube) -> CompiledVIC:
    """The study's compiled VIC on the cells and days of a cube; forcing and start are those of its own files.

    Raises:
        SettingsError: if it begins on another day than the cube, or ends before.
        DataError: if a cell of the cube is not among those of its domain.
    """
    assert config.executable is not None
    files, cells = compiled_cells(config, cube.cells, cube.lat, cube.lon, cube.time)
    work = config.work or Path(tempfile.gettempdir()) / f"paraformer-compiled-{os.getpid()}"
    return CompiledVIC(
        space, files.until(len(cube.time)), (str(config.executable),), work, cells=cells, processes=config.processes
    )


def compiled_cells(
    config: ProcessConfig, cells: np.ndarray, lat: np.ndarray, lon: np.ndarray, days: np.ndarray
) -> tuple[CompiledFiles, np.ndarray]:
    """The files of the study's compiled VIC, and the positions in them of some cells.

    Raises:
        SettingsError: if its run begins on another day than the given ones, or ends before.
        DataError: if a cell is not among those of its domain.
    """
    assert config.global_parameters is not None
    files = read_compiled_files(config.global_parameters)
    last = files.first_day + files.n_day - 1
    if files.first_day != days[0] or last < days[-1]:
        raise SettingsError(
            f"{config.global_parameters}: the run is {files.first_day}..{last}, the study's data are "
            f"{days[0]}..{days[-1]}; let it begin on the same day and not end before"
        )
    return files, files.domain.find(lat, lon, np.asarray(cells))


class CompiledVIC(ForwardModel):
    """A compiled VIC-5 image driver for a fixed list of cells and days.

    Args:
        parameters: the space θ lives in.
        files: inputs and period of the runs.
        command: the program and what stands before ``-g GLOBAL_PARAM``, e.g. ``("mpiexec", "-n", "4", "vic.exe")``.
        directory: work folder; its ``logs`` keeps what every process said.
        cells: positions of the cells among those of ``files``; all by default.
        processes: how many run at the same time; one a core by default.
        timeout: seconds after which a process is stopped; none by default.
    """

    differentiable = False
    outputs: tuple[str, ...] = OFFERED

    def __init__(
        self,
        parameters: ParameterSpace,
        files: CompiledFiles,
        command: Sequence[str],
        directory: Path,
        *,
        cells: np.ndarray | None = None,
        processes: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self.parameters = parameters
        self.files = files
        self.command = tuple(command)
        self.directory = directory
        self.cells = np.arange(files.cell_parameters.n_cell) if cells is None else np.asarray(cells)
        self.processes = processes or os.cpu_count() or 1
        self.timeout = timeout
        self.runs = 0

    @property
    def n_cells(self) -> int:
        return len(self.cells)

    @property
    def time(self) -> np.ndarray:
        """Days of the series (datetime64[D])."""
        return self.files.first_day + np.arange(self.files.n_day)

    @property
    def cell_parameters(self) -> CellParameters:
        """A-priori parameters of the cells."""
        return self.files.cell_parameters.select(self.cells)

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ of the cells in physical units, not clipped to the bounds."""
        return a_priori(self.cell_parameters, self.parameters.names)

    def select(self, cells: np.ndarray) -> CompiledVIC:
        """The same model for a subset of its cells; it counts its own runs."""
        return CompiledVIC(
            self.parameters,
            self.files,
            self.command,
            self.directory,
            cells=self.cells[cells],
            processes=self.processes,
            timeout=self.timeout,
        )

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Run every set of every cell; ``None`` runs the a-priori parameters as they are (one set).

        Raises:
            ModelError: unknown output; or the program is missing, fails, or gives no or unusable results, with the
                end of its log.
            DataError: θ outside its bounds.
        """
        for name in outputs:
            if name not in self.outputs:
                raise ModelError(f"VIC has no output '{name}'{nearest(name, self.outputs)}")
        self._require_program()
        n_set = 1 if theta is None else theta.shape[1]
        if theta is not None:
            if len(theta) != self.n_cells:
                raise DataError(f"theta has {len(theta)} cells, expected {self.n_cells}")
            self.parameters.require_inside(theta, self.cells.tolist())
        needed = in_millimetres(outputs)
        result = {name: np.empty((self.n_cells, n_set, self.files.n_day)) for name in needed}
        n_block = min(self.n_cells, max(1, self.processes // n_set))
        jobs = [
            (member, block) for member in range(n_set) for block in np.array_split(np.arange(self.n_cells), n_block)
        ]

        def run(job: tuple[int, np.ndarray]) -> None:
            member, block = job
            for name, values in self._run(None if theta is None else theta[block, member], block, needed).items():
                result[name][block, member] = values

        with ThreadPoolExecutor(self.processes) as pool:
            try:
                list(pool.map(run, jobs))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self.runs += self.n_cells * n_set
        return as_asked(outputs, result, self.files.cell_parameters.depth[self.cells, 0], self.parameters, theta)

    def _require_program(self) -> None:
        if not self.command or shutil.which(self.command[0]) is None:
            raise ModelError(f"compiled VIC: no program '{' '.join(self.command)}' that can be run")

    def _run(
        self, theta: Float[np.ndarray, "cell parameter"] | None, block: np.ndarray, names: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell time"]]:
        """One process: θ of some cells. Its folder is removed, unless it failed; its log stays."""
        self.directory.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="run_", dir=self.directory.absolute()))
        cells = self.cells[block]
        with _NETCDF:
            self._write_parameters(folder / "params.nc", theta, cells)
        (folder / "global.txt").write_text(self._global_param(folder, names), encoding="utf-8")
        log = folder / "log.txt"
        with log.open("wb") as stream:
            try:
                with _NETCDF:
                    program = subprocess.Popen(
                        [*self.command, "-g", str(folder / "global.txt")], stdout=stream, stderr=subprocess.STDOUT
                    )
                code = _wait(program, self.timeout)
                problem = f"ended with code {code}" if code else ""
            except subprocess.TimeoutExpired:
                problem = f"did not end within {self.timeout:g} s"
            except OSError as error:
                problem = f"cannot be run ({error.strerror})"
        if problem:
            raise self._failure(problem, log)
        try:
            with _NETCDF:
                found = {name: self._read(folder / "out", name, cells) for name in names}
        except DataError as error:
            raise self._failure(f"gave no usable result ({error})", log) from error
        (self.directory / "logs").mkdir(exist_ok=True)
        shutil.move(log, self.directory / "logs" / f"{folder.name}.txt")
        shutil.rmtree(folder)
        return found

    def _failure(self, problem: str, log: Path) -> ModelError:
        tail = " | ".join(log.read_text(errors="replace").strip().splitlines()[-_TAIL:]) or "nothing"
        return ModelError(f"compiled VIC '{self.command[-1]}' {problem}; files in {log.parent}; its last words: {tail}")

    def _write_parameters(
        self, path: Path, theta: Float[np.ndarray, "cell parameter"] | None, cells: np.ndarray
    ) -> None:
        """The a-priori file with θ in it; only the given cells are to be run."""
        domain = self.files.domain
        if theta is None:
            shutil.copyfile(self.files.parameters, path)
        else:
            write_parameters(
                self.files.parameters,
                path,
                domain.cell_lat[cells],
                domain.cell_lon[cells],
                self.parameters.names,
                theta,
                grid_names=self.files.names,
            )
        run = np.zeros(domain.mask.size, dtype=np.int32)
        run[np.flatnonzero(domain.mask)[cells]] = 1
        with open_dataset(path, "r+") as dataset:
            dataset["run_cell"][:] = run.reshape(domain.mask.shape)

    def _global_param(self, folder: Path, names: Sequence[str]) -> str:
        lines = [*self.files.lines, f"PARAMETERS {folder}/params.nc", f"RESULT_DIR {folder}/out", f"LOG_DIR {folder}/"]
        (folder / "out").mkdir()
        for kind, aggregation in (("day", ""), ("mean", " * AGG_TYPE_AVG")):
            chosen = dict.fromkeys(OUTPUTS[name].vic_name for name in names if _stream(name) == kind)
            if chosen:
                lines += [
                    f"OUTFILE {kind}",
                    "AGGFREQ NDAYS 1",
                    "OUT_FORMAT NETCDF4",
                    *(f"OUTVAR {name} * OUT_TYPE_DOUBLE{aggregation}" for name in chosen),
                ]
        return "\n".join(lines) + "\n"

    def _read(self, folder: Path, name: str, cells: np.ndarray) -> Float[np.ndarray, "cell time"]:
        path = folder / f"{_stream(name)}.{self.files.first_day}.nc"
        with open_dataset(path) as dataset:
            values = read_variable(dataset, OUTPUTS[name].vic_name)
        if values.ndim == 4:
            values = values[:, int(name.removesuffix("_mean")[-1]) - 1]
        y, x = (index[cells] for index in np.nonzero(self.files.domain.mask))
        if len(values) != self.files.n_day:
            raise DataError(f"{path}: {len(values)} days of {name}, expected {self.files.n_day}")
        series = values[:, y, x].T
        if not np.isfinite(series).all():
            cell, day = (int(i) for i in np.argwhere(~np.isfinite(series))[0])
            raise DataError(f"{path}: {name} of cell {cells[cell]} is missing on {self.time[day]}")
        return series


def _wait(program: subprocess.Popen[bytes], timeout: float | None) -> int:
    """Exit code of a program; it is stopped when time is up, or this thread is."""
    with program:
        try:
            return program.wait(timeout)
        except BaseException:
            program.kill()
            raise


def _stream(name: str) -> str:
    """Which of the two history files holds an output: VIC's own way to make a day, or the mean of a store."""
    return "mean" if name.endswith("_mean") else "day"
