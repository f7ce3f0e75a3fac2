"""RVIC's parameter files, read, written and routed as they are; and the arithmetic by which RVIC 1.1.1 makes them.

A parameter file holds unit hydrographs of pairs of source and outlet, already multiplied by fraction and ratio of
areas: Q_o(t) = A_o / (1000 dt) sum_s sum_i U[i, s] r_s(t - offset_s - i), with r in mm a step. VIC-5's image driver
reads the same file (``ROUT_PARAM``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError, nearest
from paraformer.core.files import atomic_path
from paraformer.core.grid import match_cells
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.numerics.routing import Pairs, Response
from paraformer.numerics.unit_hydrograph import Window
from paraformer.routing.grids import numbers_of
from paraformer.routing.network import Network

logger = logging.getLogger(__name__)
SAME_PLACE = 1e-6
"""Largest distance between the coordinates of a source in a parameter file and of its cell in the model [degree]."""
_NAME_LENGTH = 256


class ParameterFile(NamedTuple):
    """What an RVIC parameter file says.

    Attributes:
        step: of the unit hydrographs [s].
        full_length: steps of the ring of future flow.
        outlet_lat, outlet_lon: centres of the outlets' cells [degree].
        outlet_names: of the outlets.
        source_lat, source_lon: centres of the sources' cells [degree].
        outlet: of each source.
        offset: leading steps left out, of each source.
        ordinates: unit hydrographs times fraction times ratio of areas [source, lag].
        source: file, for messages.
    """

    step: float
    full_length: int
    outlet_lat: Float[np.ndarray, " outlet"]
    outlet_lon: Float[np.ndarray, " outlet"]
    outlet_names: tuple[str, ...]
    source_lat: Float[np.ndarray, " source"]
    source_lon: Float[np.ndarray, " source"]
    outlet: Int[np.ndarray, " source"]
    offset: Int[np.ndarray, " source"]
    ordinates: Float[np.ndarray, "source lag"]
    source: str

    @property
    def lost_by_vic(self) -> float:
        """Largest share of an outlet's water that VIC-5's own extension never lets pass (its ring turns too short)."""
        lags = self.offset[:, None] + np.arange(self.ordinates.shape[1])
        late = np.where(lags >= self.ordinates.shape[1], self.ordinates, 0.0).sum(axis=1)
        n = len(self.outlet_names)
        whole = np.bincount(self.outlet, self.ordinates.sum(axis=1), minlength=n)
        part = np.bincount(self.outlet, late, minlength=n) / np.where(whole > 0, whole, 1.0)
        return float(part.max(initial=0.0))


def read_parameter_file(path: Path | str) -> ParameterFile:
    """Read a parameter file and check it.

    Raises:
        DataError: missing variables, an outlet that is not there, hydrographs longer than the ring, no numbers.
    """
    require_whole(path)
    try:
        dataset = netCDF4.Dataset(path)
    except OSError as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    with dataset:

        def read(name: str) -> Any:
            if name not in dataset.variables:
                raise DataError(f"{path}: variable '{name}' is missing{nearest(name, dataset.variables)}")
            return dataset[name]

        ordinates = numbers_of(read("unit_hydrograph"))
        if ordinates.ndim == 3:
            ordinates = ordinates[:, :, 0]
        names = _names(dataset)
        found = ParameterFile(
            step=float(numbers_of(read("unit_hydrograph_dt")).reshape(-1)[0]),
            full_length=int(numbers_of(read("full_time_length")).reshape(-1)[0]),
            outlet_lat=numbers_of(read("outlet_lat")).reshape(-1),
            outlet_lon=numbers_of(read("outlet_lon")).reshape(-1),
            outlet_names=names,
            source_lat=numbers_of(read("source_lat")).reshape(-1),
            source_lon=numbers_of(read("source_lon")).reshape(-1),
            outlet=numbers_of(read("source2outlet_ind")).reshape(-1).astype(np.int64),
            offset=numbers_of(read("source_time_offset")).reshape(-1).astype(np.int64),
            ordinates=np.ascontiguousarray(ordinates.T),
            source=str(path),
        )
    _require(found)
    return found


def _names(dataset: Any) -> tuple[str, ...]:
    n = len(dataset["outlet_lon"][...].reshape(-1)) if "outlet_lon" in dataset.variables else 0
    if "outlet_name" not in dataset.variables:
        return tuple(f"outlet {i + 1}" for i in range(n))
    stored = dataset["outlet_name"]
    stored.set_auto_chartostring(False)
    rows = np.asarray(np.ma.filled(stored[...], b""), dtype="S1").reshape(n, -1)
    texts = (b"".join(row.tolist()).split(b"\0")[0].decode("utf-8", "replace").strip() for row in rows)
    return tuple(text or f"outlet {i + 1}" for i, text in enumerate(texts))


def _require(found: ParameterFile) -> None:
    n_source, n_lag = found.ordinates.shape
    where = found.source
    if not found.step > 0:
        raise DataError(f"{where}: unit_hydrograph_dt: found {found.step:g}, expected seconds above 0")
    for name, values in (("outlet", found.outlet), ("offset", found.offset), ("source_lon", found.source_lon)):
        if len(values) != n_source:
            raise DataError(f"{where}: {len(values)} values of {name}, expected {n_source}, one a source")

    def place(i: int) -> str:
        return f"source {i} (lat {found.source_lat[i]:.6g}, lon {found.source_lon[i]:.7g})"

    for bad, text in (
        ((found.outlet < 0) | (found.outlet >= len(found.outlet_names)), "source2outlet_ind names no outlet"),
        (
            (found.offset < 0) | (found.offset + n_lag > found.full_length),
            f"offset + {n_lag} lags leave the ring of full_time_length {found.full_length}",
        ),
        (~np.isfinite(found.ordinates).all(axis=1), "unit_hydrograph is no number"),
        (found.ordinates.min(axis=1, initial=0.0) < 0, "unit_hydrograph is below 0"),
    ):
        if bad.any():
            raise DataError(f"{where}: {place(int(np.argmax(bad)))}: {text} ({int(bad.sum())} such sources)")


def response_of(
    file: ParameterFile,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    area: Float[np.ndarray, " cell"],
    *,
    source: str,
) -> tuple[Pairs, Response, Int[np.ndarray, " outlet"]]:
    """A parameter file on the cells of a model, joined by place, never by index.

    Args:
        file: the parameter file.
        lat, lon, area: of the model's cells; the areas are those of its domain file [degree], [m2].
        source: the model's file, for messages.

    Returns:
        Pairs, response in mm a step over the outlets' own cells, and those cells.

    Raises:
        DataError: a source or outlet without a cell.
    """
    cells = _match(file.source_lat, file.source_lon, lat, lon, f"{source}: source", file)
    outlets = _match(file.outlet_lat, file.outlet_lon, lat, lon, f"{source}: outlet", file)
    bad = ~(area[outlets] > 0)
    if bad.any():
        raise DataError(f"{source}: area of the cell of outlet {file.outlet_names[int(np.argmax(bad))]}: none above 0")
    order = np.argsort(file.outlet, kind="stable")
    first = np.searchsorted(file.outlet[order], np.arange(len(outlets) + 1))
    n = len(order)
    pairs = Pairs(cells[order], file.outlet[order], np.full(n, -1, np.int64), first)
    window = Window(file.offset[order], np.full(n, file.ordinates.shape[1], np.int64))
    return pairs, Response(np.ascontiguousarray(file.ordinates[order]), window, np.ones(n)), outlets


def _match(
    lat: np.ndarray, lon: np.ndarray, cell_lat: np.ndarray, cell_lon: np.ndarray, what: str, file: ParameterFile
) -> np.ndarray:
    """Cells at the places; a source stands once for each of its outlets."""
    places, index = np.unique(np.stack([lat, lon]), axis=1, return_inverse=True)

    def words(i: int) -> str:
        return f"lat {places[0, i]:.9g}, lon {places[1, i]:.9g} of {file.source}"

    found = match_cells(places[0], places[1], cell_lat, cell_lon, source=what, words=words, tolerance=SAME_PLACE)
    return found[index.reshape(-1)]


def warn_of_vic(file: ParameterFile, model_step: float) -> None:
    """Say where VIC-5's own routing would give other flow than what the parameter file means, which is done here.

    Args:
        model_step: of the run [s].
    """
    if file.lost_by_vic > 0:
        logger.warning(
            "%s: VIC-5's own routing turns its ring of %d steps over the first %d alone and never lets pass what lands "
            "beyond, up to %.0f %% of an outlet's water; here all of it passes",
            file.source,
            file.full_length,
            file.ordinates.shape[1],
            100 * file.lost_by_vic,
        )
    if file.step != model_step:
        logger.warning(
            "%s: unit hydrographs in steps of %g s, model steps of %g s: VIC-5's own routing takes one for the other "
            "and routes %.3g times too %s; here each has its own step",
            file.source,
            file.step,
            model_step,
            max(file.step / model_step, model_step / file.step),
            "fast" if file.step > model_step else "slowly",
        )


class RvicOptions(NamedTuple):
    """Settings of ``rvic parameters``, under RVIC's names."""

    cell_flowdays: float = 2.0
    basin_flowdays: float = 50.0
    output_interval: float = SECONDS_PER_DAY
    subset_days: float = 10.0
    constrain_fractions: bool = False


RVIC_DEFAULTS = RvicOptions()


def read_uh_box(path: Path) -> tuple[Float[np.ndarray, " lag"], float]:
    """Shares and step [s] of RVIC's unit hydrograph of a cell: lines of seconds and share, after any header lines.

    Raises:
        DataError: no two lines of numbers, or uneven steps.
    """
    rows = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.replace(",", " ").split()
            if len(words) >= 2 and not line.startswith("#"):
                try:
                    rows.append((float(words[0]), float(words[1])))
                except ValueError:
                    if rows:
                        raise DataError(f"{path}: found '{line}', expected seconds and a share") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable table ({error})") from error
    table = np.array(rows)
    steps = np.diff(table[:, 0]) if len(rows) > 1 else np.empty(0)
    if not len(steps) or (np.abs(steps - steps[0]) > 1e-6 * abs(steps[0])).any() or steps[0] <= 0:
        raise DataError(f"{path}: expected two lines or more of seconds in even steps, and a share")
    return table[:, 1], float(steps[0])


def make_parameter_file(
    network: Network,
    box: Float[np.ndarray, " lag"],
    box_step: float,
    fraction: Float[np.ndarray, " cell"] | None = None,
    options: RvicOptions = RVIC_DEFAULTS,
) -> ParameterFile:
    """What RVIC 1.1.1 makes of a network: kernels sampled at the step of the box, cut, rescaled, one step early.

    The path runs from the cell below the source to the outlet's own, included. Every cell counts in full, whatever its
    fraction, unless fractions are constrained; then those of all outlets together are held to the cell's.

    Args:
        network: the river; its own fractions are not used.
        box: unit hydrograph inside the cells, as given.
        box_step: its step [s].
        fraction: of the cells, in the domain file [1].
        options: RVIC's settings.
    """
    pairs = network.pairs
    ordinates, start = _hydrographs(network, box, box_step, options)
    full = round(options.basin_flowdays * SECONDS_PER_DAY / options.output_interval)
    share = np.ones(len(pairs.source))
    if options.constrain_fractions and fraction is not None:
        basins = np.bincount(pairs.source, minlength=network.n_cell)
        share = np.minimum(1.0, fraction / np.maximum(basins, 1))[pairs.source]
    outlet_area = network.area[network.gauges.cell]
    scale = share * network.area[pairs.source] / outlet_area[pairs.gauge]
    return ParameterFile(
        step=options.output_interval,
        full_length=full,
        outlet_lat=network.lat[network.gauges.cell],
        outlet_lon=network.lon[network.gauges.cell],
        outlet_names=network.gauges.names,
        source_lat=network.lat[pairs.source],
        source_lon=network.lon[pairs.source],
        outlet=pairs.gauge,
        offset=start,
        ordinates=ordinates * scale[:, None],
        source=f"RVIC's arithmetic on {network.source}",
    )


def _hydrographs(network: Network, box: np.ndarray, step: float, options: RvicOptions) -> tuple[np.ndarray, np.ndarray]:
    """Unit hydrographs of the pairs at the output step, and the first step kept of each."""
    n_cell, n_basin = (round(days * SECONDS_PER_DAY / step) for days in (options.cell_flowdays, options.basin_flowdays))
    x, v, d = (part[:, None] for part in (network.length, network.velocity, network.diffusivity))
    t = step * np.arange(1, n_cell + 1)
    with np.errstate(under="ignore"):
        kernels = x / (2 * t * np.sqrt(np.pi * t * d)) * np.exp(-((v * t - x) ** 2) / (4 * d * t))
    totals = kernels.sum(axis=1, keepdims=True)
    kernels = np.divide(kernels, totals, out=np.zeros_like(kernels), where=totals > 0)
    source, downstream = network.pairs.source, network.pairs.downstream
    rivers = np.zeros((len(source), n_basin))
    found = np.zeros((len(source), n_basin))
    for pair, (cell, below) in enumerate(zip(source, downstream, strict=True)):
        upper = kernels[cell] if below < 0 else np.convolve(rivers[below], kernels[cell])
        rivers[pair, : len(upper)] = upper[:n_basin]
        rivers[pair] /= rivers[pair].sum()
        unit = box if below < 0 else np.convolve(box, rivers[below])
        found[pair, : len(unit)] = unit[:n_basin]
        found[pair] /= found[pair].sum()
    per_step = options.output_interval / step
    if abs(per_step - round(per_step)) > 1e-9:
        raise DataError(f"output step {options.output_interval:g} s is no multiple of the box's step, {step:g} s")
    n = round(per_step)
    coarse = found[:, : found.shape[1] // n * n].reshape(len(found), -1, n).sum(axis=2)
    kept = round(options.subset_days * SECONDS_PER_DAY / options.output_interval)
    if kept >= coarse.shape[1]:
        return coarse, np.zeros(len(coarse), np.int64)
    start = np.clip(coarse.argmax(axis=1) - kept // 2, 0, coarse.shape[1] - kept)
    part = coarse[np.arange(len(coarse))[:, None], start[:, None] + np.arange(kept)]
    return part / part.sum(axis=1, keepdims=True), start


def write_parameter_file(
    file: ParameterFile, path: Path, lat: Float[np.ndarray, " y"], lon: Float[np.ndarray, " x"], area: np.ndarray
) -> None:
    """Write a parameter file that RVIC 1.1.1 and VIC-5's image driver read.

    Args:
        file: what it holds.
        path: where.
        lat, lon: of the rows and columns of the domain file, in its own order [degree].
        area: of its cells [m2] [y, x].
    """
    n_outlet = len(file.outlet_names)

    def index(values: np.ndarray, places: np.ndarray) -> np.ndarray:
        return np.abs(values[:, None] - places).argmin(axis=1)

    with atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w", format="NETCDF4_CLASSIC") as dataset:
        sizes = {
            "timesteps": file.ordinates.shape[1],
            "outlets": n_outlet,
            "sources": len(file.outlet),
            "tracers": 1,
            "nc_chars": _NAME_LENGTH,
        }
        for name, size in sizes.items():
            dataset.createDimension(name, size)

        def put(name: str, kind: str, dims: tuple[str, ...], values: Any, unit: str) -> None:
            variable = dataset.createVariable(name, kind, dims)
            variable.units = unit
            variable[...] = values

        put("timesteps", "f8", ("timesteps",), np.arange(file.ordinates.shape[1]), "unitless")
        put("full_time_length", "i4", (), file.full_length, "timesteps")
        put("subset_length", "i4", (), file.ordinates.shape[1], "timesteps")
        put("unit_hydrograph_dt", "f8", (), file.step, "seconds")
        areas = np.zeros(n_outlet)
        for kind, places in (
            ("outlet", (file.outlet_lat, file.outlet_lon)),
            ("source", (file.source_lat, file.source_lon)),
        ):
            row, column = index(places[0], lat), index(places[1], lon)
            dims = (f"{kind}s",)
            put(f"{kind}_lon", "f8", dims, places[1], "degrees_east")
            put(f"{kind}_lat", "f8", dims, places[0], "degrees_north")
            north_first = row if len(lat) < 2 or lat[0] > lat[1] else len(lat) - 1 - row
            put(f"{kind}_x_ind", "i4", dims, column, "unitless")
            put(f"{kind}_y_ind", "i4", dims, north_first, "unitless")
            put(f"{kind}_decomp_ind", "i4", dims, row * len(lon) + column, "unitless")
            if kind == "outlet":
                areas = area[row, column]
        put("outlet_number", "i4", ("outlets",), np.arange(n_outlet), "unitless")
        put("outlet_mask", "i4", ("outlets",), np.zeros(n_outlet), "0-ocean, 1-land, 2-guage, 3-none")
        upstream = np.bincount(file.outlet, file.ordinates.sum(axis=1), minlength=n_outlet) * areas
        put("outlet_upstream_area", "f8", ("outlets",), upstream, "m2")
        put("outlet_upstream_gridcells", "i4", ("outlets",), np.bincount(file.outlet, minlength=n_outlet), "cells")
        names = np.array([name.encode()[:_NAME_LENGTH] for name in file.outlet_names], dtype=f"S{_NAME_LENGTH}")
        variable = dataset.createVariable("outlet_name", "S1", ("outlets", "nc_chars"))
        variable[...] = names.view("S1").reshape(n_outlet, _NAME_LENGTH)
        put("source2outlet_ind", "i4", ("sources",), file.outlet, "unitless")
        put("source_time_offset", "i4", ("sources",), file.offset, "timesteps")
        put("unit_hydrograph", "f8", ("timesteps", "sources", "tracers"), file.ordinates.T[:, :, None], "unitless")
        dataset.title, dataset.Conventions, dataset.featureType = "RVIC parameter file", "CF-1.6", "timeSeries"
        dataset.source, dataset.version = "ParaFormer", "1.1.1"
