"""Months of forcing that are kept between runs: a longer period reads only the new ones, and a killed run goes on.

A month on the study's cells is a few files in the cache, named by a hash of all that it depends on: settings, target,
and names and sizes of the granules. The mark with the number of its blocks is written last, so half a month is never
used.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr

from paraformer.core.files import hash_json, write_json
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.time import Period
from paraformer.data.sources.config import ForcingProduct, ProductsConfig
from paraformer.data.sources.readers import forcing_blocks, forcing_files

logger = logging.getLogger(__name__)

FORMAT = 1
"""Version of the pieces; those of another version are made anew."""


def months_of(period: Period) -> list[Period]:
    """The calendar months of a period, the first and last as far as they belong to it."""
    months = np.arange(np.datetime64(period.start, "M"), np.datetime64(period.end, "M") + 1)
    found = []
    for month in months:
        first, last = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]") - 1
        found.append(Period(start=max(first.item(), period.start), end=min(last.item(), period.end)))
    return found


def kept_blocks(
    config: ProductsConfig,
    target: Raster,
    placing: Callable[[], Callable[[xr.Dataset], xr.Dataset]],
    progress: Progress | None,
) -> Iterator[xr.Dataset]:
    """Blocks of forcing on the target, month by month, from the cache where they are there.

    Args:
        placing: makes what puts the blocks of a month on the target; the first hour of a month says which cells are
            land.

    Raises:
        DataError: as ``forcing_blocks`` and ``placing``.
        RunError: the cache cannot be written.
    """
    assert config.cache is not None
    files = forcing_files(config.forcing)
    for month in months_of(config.forcing.period):
        part = config.forcing.model_copy(update={"period": month})
        stem = config.cache / f"forcing-{str(month.start)[:7]}-{_key(config, part, target, files(month))}"
        count = _count(stem)
        if count:
            logger.info("%s: forcing taken from the cache", month)
            for k in range(count):
                yield read_dataset(_block(stem, k), engine="netcdf4")
            continue
        made, remapped = 0, placing()
        for block in forcing_blocks(part, progress):
            found = remapped(block)
            write_dataset(found, _block(stem, made))
            made += 1
            yield found
            del block, found  # not two at a time
        write_json(_mark(stem), {"blocks": made})


def _key(config: ProductsConfig, part: ForcingProduct, target: Raster, files: list[Path]) -> str:
    """Hash of what a month of forcing on the target depends on; what is estimated is no part of it."""
    used = [(path.name, path.stat().st_size) for path in files]
    return hash_json(
        {
            "format": FORMAT,
            "forcing": part.model_dump(mode="json", exclude={"folder", "estimate", "wind_speed"}),
            "grid": config.grid,
            "target": asdict(target),
            "regrid": config.regrid.model_dump(mode="json", exclude={"cache"}),
            "granules": used,
        }
    )


def _mark(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.json")


def _block(stem: Path, number: int) -> Path:
    return stem.with_name(f"{stem.name}-{number}.nc")


def _count(stem: Path) -> int:
    """Blocks of a finished month, 0 if it is not there as a whole."""
    try:
        count = int(json.loads(_mark(stem).read_text())["blocks"])
    except (OSError, ValueError, KeyError):
        return 0
    return count if all(_block(stem, k).is_file() for k in range(count)) else 0
