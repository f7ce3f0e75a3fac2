"""Cut the small slices in ``data/`` from the shared reference data: ``python tests/golden/make_slices.py ../shared``.

* ``walnutgulch.npz``: cells [0, 2] and [1, 0] of the WalnutGulch runs L2015 and MOD_IGBP (partial canopy), 2008, daily
  and 3-hourly step, and sets 1, 5 and 9 of the perturbed parameters (8 significant digits).
* ``stehekin.npz``: an overstory tile, a low tile and the tile that snow leaves last of cell [1, 0], 4 bands, synthetic
  forcing 1970, daily and 3-hourly step. The same year with overstory that has no leaves from November to February
  (``wb_lai0``, ``wb_lai0_daily``) or a canopy fraction of 0 in January and February and 0.7 after (``wb_fcan0``): two
  overstory tiles, results as stored, with 38 bits.

All are outputs of compiled VIC-5.1.0 on parameters and forcing of VIC's sample data (GPL-2; here for tests alone).

Forcing is stored as float32 where that is exact. Everything else is float64, as compiled VIC-5 wrote it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import netCDF4
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from golden.references import THETA
from golden.vic_runs import LAYERS, RUNS, load, read_days, read_results

DATA = Path(__file__).parent / "data"
KEPT = (
    *LAYERS,
    "evapotranspiration",
    "runoff",
    "baseflow",
    "inflow",
    "swe",
    "canopy_snow",
    "canopy_water",
    "transpiration",
    "bare_soil_evaporation",
)
SETS = [1, 5, 9]


def exact_float32(values: np.ndarray) -> np.ndarray:
    small = values.astype(np.float32)
    return small if values.dtype.kind == "f" and (small == values).all() else values


def add_run(arrays: dict[str, np.ndarray], name: str, shared: Path, cells: np.ndarray, n_day: int) -> None:
    """Parameters and results of a run, its days if some were not stored, and its forcing (once)."""
    case = load(RUNS[name], shared)
    path = case.folder / f"{case.run.name}.daily.nc"
    results, days = read_results(path, case.domain.mask), read_days(path, case.settings.first_day)
    for field, values in case.parameters.select(cells)._asdict().items():
        arrays[f"{name}/parameters/{field}"] = values
    if "forcing/prcp" not in arrays:
        for field, values in case.forcing.select(cells).select_days(0, n_day)._asdict().items():
            arrays[f"forcing/{field}"] = exact_float32(values)
    if len(days) < case.settings.n_day:
        arrays[f"{name}/days"] = days[days < n_day]
    for output in filter(results.__contains__, KEPT):  # the energy data set has not all of them
        arrays[f"{name}/results/{output}"] = results[output][cells][:, days < n_day]


def main(shared: Path) -> None:
    domain = load(RUNS["L2015_daily"], shared).domain
    row, column = np.nonzero(domain.mask)
    cells = np.array([int(np.flatnonzero((row == y) & (column == x))[0]) for y, x in ((0, 2), (1, 0))])
    arrays: dict[str, np.ndarray] = {}
    for name in ("L2015_daily", "L2015_3h", "MODIGBP_daily", "MODIGBP_3h"):
        add_run(arrays, name, shared, cells, 366)
    with netCDF4.Dataset(shared / "reference/vic5/walnutgulch/ens_L2015_daily.nc") as dataset:
        arrays["theta"] = np.stack([np.asarray(dataset[n][SETS]) for n in THETA.values()], axis=-1)
        for theirs, ours in (("OUT_EVAP", "evapotranspiration"), ("OUT_RUNOFF", "runoff")):
            values = np.ma.filled(dataset[theirs][SETS], np.nan)[..., domain.mask][..., cells]
            arrays[f"perturbed/{ours}"] = np.moveaxis(values, -1, 0)
    np.savez_compressed(DATA / "walnutgulch.npz", **arrays)
    arrays = {}
    for name in ("stehekin_tiles_daily", "tiles_3h"):
        add_run(arrays, name, shared, np.array([0, 2, 4]), 365)
    for name in ("wb_lai0", "wb_lai0_daily", "wb_fcan0"):
        add_run(arrays, name, shared, np.array([0, 2]), 365)
    for field in [k for k in arrays if k.startswith("forcing/") and arrays[k].ndim == 2]:
        arrays[field] = arrays[field][:1]  # one cell's forcing for all tiles
    np.savez_compressed(DATA / "stehekin.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
