"""What IOOS compliance-checker says of a file or store by CF-1.8, with nothing fetched from anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import xarray as xr


@cache
def _suite() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from compliance_checker.runner import CheckSuite

        CheckSuite.load_all_available_checkers()
    return CheckSuite()


def problems(path: Path, folder: Path) -> list[str]:
    """Every requirement and recommendation of ``--test=cf:1.8`` that a file fails, as one line each.

    Args:
        path: a netCDF file, or a zarr store, which is checked as the netCDF file that xarray makes of it.
        folder: where that file may be written.
    """
    if path.is_dir():
        copy = folder / f"{path.stem}.nc"
        with xr.open_zarr(path, consolidated=False) as store:
            store.load().drop_encoding().to_netcdf(copy, encoding=_time(path))
        path = copy
    suite = _suite()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = suite.load_dataset(str(path))
        ((groups, errors),) = suite.run_all(dataset, ["cf:1.8"], skip_checks=[]).values()
        dataset.close()
    said = [line for group in groups if group.weight >= 2 for line in _failed(group)]
    return said + [f"{name}: {error[0]}" for name, error in errors.items()]


def _time(path: Path) -> dict[str, dict[str, Any]]:
    """Encoding of the store's own time axis, which xarray would write in 64 bits."""
    with xr.open_zarr(path, consolidated=False) as store:
        if "time" not in store:
            return {}
        kept = store["time"].encoding
        return {"time": {name: kept[name] for name in ("units", "calendar", "dtype")}}


def _failed(result: Any) -> Iterator[str]:
    if result.children:
        for child in result.children:
            yield from _failed(child)
    elif not (result.value[0] == result.value[1] if isinstance(result.value, tuple) else result.value):
        for message in result.msgs or ("failed",):
            yield f"{result.name}: {message}"
