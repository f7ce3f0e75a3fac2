"""What ``check`` sees of sources that are no file of the simple format: a part that is read and proved in a minute.

The part is brought into the simple format as the building of the cube does it, and every value of it is proved. What
the rest holds shows when the cube is built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.variables import ATTRIBUTES, FORCING, series_variable
from paraformer.data.attributes import check_attributes
from paraformer.data.config import DataConfig
from paraformer.data.headers import check_header
from paraformer.data.places import words_of
from paraformer.data.quality import equals
from paraformer.data.sources.blocks import write_blocks
from paraformer.data.sources.cells import CellsFile, open_cells
from paraformer.data.sources.config import NldasConfig, SmapConfig
from paraformer.data.sources.hydrodl import sample_hydrodl
from paraformer.data.sources.products_sample import sample_products
from paraformer.data.values import ValueProof


@dataclass(frozen=True)
class Part:
    """What was read of a source.

    Attributes:
        steps: steps a day of the forcing.
        cells, lat, lon: cells that the study will have, as far as they were seen [cell]; a sampling design or a buffer
            between blocks, for which the whole grid is needed, leaves only some of them.
        said: lines that say what was read.
    """

    steps: int
    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    said: tuple[str, ...]


def can_be_sampled(config: DataConfig) -> bool:
    """Whether a part of the study's source can be read: of granules, those of NLDAS and SMAP."""
    products = config.products
    if products is None:
        return True
    return isinstance(products.forcing, NldasConfig) and isinstance(products.observation, SmapConfig)


def check_part(config: DataConfig, progress: Progress | None = None) -> Part:
    """Read and prove a part of the granules or tables of a study.

    Args:
        config: of a source that ``can_be_sampled``.

    Raises:
        DataError: the first problem found, naming the file.
        SettingsError: the data lack an attribute, or a variable that cells are selected or split by.
    """
    progress = progress or Progress()
    with TemporaryDirectory(prefix="paraformer-check-") as name:
        folder = Path(name)
        if config.products is not None:
            forcing, observation = config.products.forcing, config.products.observation
            assert isinstance(forcing, NldasConfig)
            assert isinstance(observation, SmapConfig)
            sample = sample_products(config.products, forcing, observation, folder, progress)
            source = forcing.folder
            for block in sample.forcing:
                steps = _prove(config, block, folder, source, progress)
            known, said = sample.known, sample.said
            if known is not None:
                _prove(config, known, folder, source, progress, static=True)
        else:
            assert config.hydrodl is not None
            source, years = config.hydrodl.folder, []
            for block in sample_hydrodl(config.hydrodl):
                steps = _prove(config, block, folder, source, progress, static=True)
                years.append(f"{block['time'].values[0]:.10} to {block['time'].values[-1]:.10}")
            known, said = block, (f"forcing, soil moisture and attributes: {' and '.join(years)} read",)
    if known is None:
        return Part(steps, np.empty(0, np.int64), np.empty(0), np.empty(0), said)
    known = known.isel(cell=_kept(config, known))
    return Part(steps, known["cell"].values, known["lat"].values, known["lon"].values, said)


def _prove(
    config: DataConfig, block: xr.Dataset, folder: Path, source: Path, progress: Progress, *, static: bool = False
) -> int:
    """Prove every value of a block; its steps a day.

    Args:
        folder: where the block is written, to be read as the file of a user is.
        source: what messages name.
        static: whether the block has the attributes and what cells are selected and split by.
    """
    store = folder / "part.zarr"
    write_blocks([block], store)
    file, observation = open_cells(store), config.observation or ""
    try:
        named = replace(file, path=source, _complete=set(map(str, file.dataset.variables)))
        position = np.arange(len(file.cells))
        for name in (*FORCING, observation):
            check_header(named, series_variable(name))
        if static:
            _prove_static(config, named, position)
        nothing = np.zeros(len(file.days), dtype=bool)
        ValueProof(named, position, words_of(named), observation, (), (nothing, nothing)).run(
            config.chunk_cells, progress
        )
        return file.steps
    finally:
        file.close()


def _prove_static(config: DataConfig, file: CellsFile, position: np.ndarray) -> None:
    names = config.attributes
    if names is None:
        names = tuple(name for name in ATTRIBUTES if name in file.dataset.variables)
    if not names and not config.climate_attributes:
        raise SettingsError(
            f"data.attributes: {file.path} has none of the vocabulary, and climate_attributes is off; θ has to be "
            "learned from something"
        )
    check_attributes(file, position, names, words_of(file))
    split = config.split.variable if config.split is not None else None
    for key, name in (*(("select", name) for name in config.select), ("split", split)):
        if name is not None and name not in file.dataset.variables:
            raise DataError(f"{file.path}: no variable '{name}', which data.{key} names; {_listed(file)}")


def _kept(config: DataConfig, known: xr.Dataset) -> Bool[np.ndarray, " cell"]:
    """Cells that are selected and whose label, if they have one, is that of a trained or unseen cell."""
    kept = np.ones(known.sizes["cell"], dtype=bool)
    for name, value in config.select.items():
        kept &= equals(known[name].values, value)
    if config.split is not None and config.split.variable is not None:
        labels = known[config.split.variable].values
        kept &= np.any([equals(labels, value) for value in (*config.split.trained, *config.split.unseen)], axis=0)
    return kept


def _listed(file: CellsFile) -> str:
    found = [str(name) for name, values in file.dataset.variables.items() if values.dims == ("cell",)]
    return f"found {', '.join(sorted(found))}"
