"""``parameters``: a-priori VIC-5 files from the maps of a study, checked by VIC's own reader before they take their
place."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from paraformer.config import Study
from paraformer.core.errors import RunError, SettingsError
from paraformer.core.files import atomic_path
from paraformer.core.log import Progress
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.results import Results
from paraformer.data.a_priori import TITLE, a_priori_domain, a_priori_parameters, sites_of
from paraformer.data.gather import open_maps
from paraformer.data.sources.products import target_of
from paraformer.pipeline import run_study
from paraformer.process.files import Places, ProcessFiles, land_at


def make_parameters(study: Study, directory: Path, progress: Progress | None = None) -> str:
    """Write the files that ``process.parameters`` and ``process.domain`` name, for the cells of the study's cube.

    The cube is built first, or reused, since its forcing gives the climate of the cells and its observations decide
    which cells there are.

    Returns:
        What to tell the user.

    Raises:
        SettingsError: the study has no maps, or does not say where the files go.
        RunError: a file of another origin stands there, or cannot be written.
        DataError: the maps, or values that VIC cannot run with.
    """
    products, process = study.data.products, study.process
    if products is None or products.land is None:
        raise SettingsError("data.products.land is missing: maps of soil, land cover and terrain")
    if process.parameters is None or process.domain is None:
        missing = "parameters" if process.parameters is None else "domain"
        raise SettingsError(f"process.{missing} is missing: where the file is to go")
    for path in (process.parameters, process.domain):
        _require_ours(path)
    run_study(study, directory, until="cube", progress=progress)
    results = Results(directory)
    cube = results.cube
    sites = sites_of(cube, target_of(products))
    parameters = a_priori_parameters(products.land, open_maps(results.folder("cube")), sites)
    with atomic_path(process.domain) as domain, atomic_path(process.parameters) as written:
        _write(a_priori_domain(sites), domain)
        _write(parameters, written)
        land_at(ProcessFiles(written, domain), Places.of(cube))
    tiles = (parameters["Cv"] > 0).sum(dim="veg_class").mean().item()
    return (
        f"{len(cube.cells)} cells, {tiles:.1f} vegetation tiles a cell, soil by {products.land.soil.pedotransfer}\n"
        f"parameters: {process.parameters}\ndomain:     {process.domain}"
    )


def _require_ours(path: Path) -> None:
    """Refuse to replace a file that this command did not write."""
    if not path.exists():
        return
    try:
        title = str(read_dataset(path).attrs.get("title", ""))
    except (OSError, ValueError):
        title = ""
    if TITLE not in title:
        raise RunError(f"{path}: exists and was not made by 'paraformer parameters'; move it away or name another file")


def _write(dataset: xr.Dataset, path: Path) -> None:
    encoding = {str(name): {"_FillValue": None} for name in dataset.variables}
    write_dataset(dataset, path, encoding=encoding)
