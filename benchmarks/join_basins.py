"""Join sets of basins (shared/data/basins) into one: cells of all, on their common days, with variables that all have.

``python benchmarks/join_basins.py SET... --out FOLDER``; a gauge that occurs in two sets is taken from the first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import xarray as xr


def join(out: Path, sets: list[Path]) -> int:
    """Write ``cells.nc``, ``params.nc`` and ``domain.nc``; returns the number of basins."""
    cells = [xr.open_dataset(path / "cells.nc") for path in sets]
    seen: set[str] = set()
    kept = []
    for dataset in cells:
        names = dataset["gauge_id"].values.astype(str)
        kept.append(np.array([i for i, name in enumerate(names) if name not in seen]))
        seen |= set(names)
    wanted = set.intersection(*(set(map(str, dataset.data_vars)) for dataset in cells))
    wanted -= {"split", "gauge_name"}
    first, last = (f(d["time"].values[at] for d in cells) for f, at in ((max, 0), (min, -1)))
    parts = [d[sorted(wanted)].isel(cell=at).sel(time=slice(first, last)) for d, at in zip(cells, kept, strict=True)]
    number = 0
    for position, part in enumerate(parts):
        count = part.sizes["cell"]
        parts[position] = part.assign_coords(cell=np.arange(number + 1, number + count + 1))
        number += count
    joined = xr.concat(parts, "cell", combine_attrs="override", coords="minimal", compat="override")
    out.mkdir(parents=True, exist_ok=True)
    joined.to_netcdf(out / "cells.nc")
    for name in ("params", "domain"):
        whole = [
            _banded(xr.open_dataset(path / f"{name}.nc", decode_times=False)).isel(x=at)
            for path, at in zip(sets, kept, strict=True)
        ]
        one = xr.concat(whole, "x", combine_attrs="override")
        for numbered in {"gridcell", "cellnum"} & set(map(str, one.data_vars)):
            one[numbered] = one[numbered].copy(data=np.arange(1, number + 1).reshape(1, -1))
        one.to_netcdf(out / f"{name}.nc")
    return number


def _banded(params: xr.Dataset, bands: int = 3) -> xr.Dataset:
    """Three snow bands: those that a cell lacks have no area, and the elevation of its first."""
    if params.sizes.get("snow_band", bands) == bands:
        return params
    own = [name for name in params.data_vars if "snow_band" in params[name].dims]
    more = params[own].isel(snow_band=[0] * (bands - 1))
    more = more.assign({name: more[name] * 0 for name in own if name != "elevation"})
    return xr.merge([params.drop_vars(own), xr.concat([params[own], more], "snow_band")], combine_attrs="override")


def main() -> None:
    """Read the arguments and join the sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, help="folders with cells.nc, params.nc and domain.nc")
    parser.add_argument("--out", type=Path, required=True, help="folder of the joined files")
    given = parser.parse_args()
    sys.stdout.write(f"{join(given.out, given.sets)} basins\n")


if __name__ == "__main__":
    main()
