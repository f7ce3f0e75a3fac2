"""Static attributes of an input file: proved values, and names that nothing in the cube overwrites."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Words
from paraformer.core.proof import Place, Proof, is_fill, place_of
from paraformer.core.variables import ATTRIBUTES
from paraformer.data.headers import check_header
from paraformer.data.sources.cells import CellsFile

TEXTURE = ("sand", "silt", "clay")
SHARES = 2.0
"""Sum of a texture that is given in shares, not in % [%]."""
UNEVEN = 10.0
"""Distance of the sum of a texture from 100 that maps do not explain [%]."""


def check_attributes(file: CellsFile, position: Int[np.ndarray, " kept"], names: tuple[str, ...], words: Words) -> None:
    """Attributes: there, numeric, finite, and in unit and range where the vocabulary knows them.

    Args:
        position: positions in the file of the kept cells.
        words: words for a cell by its position in the file.

    Raises:
        DataError: the first problems.
    """
    proof = Proof(str(file.path))
    place = place_of(lambda k: words(int(position[k])))
    for name in names:
        if name in ATTRIBUTES:
            check_header(file, ATTRIBUTES[name])
        values = file.static(name)
        if values.dtype.kind not in "fiub":
            raise DataError(f"{file.path}: attribute '{name}' has type {values.dtype}, expected numbers")
        kept = values[position].astype(np.float64)
        if name in ATTRIBUTES:
            proof.values(ATTRIBUTES[name], kept, place)
        else:
            _check_unknown(proof, name, kept, place)
    if set(TEXTURE) <= set(names):
        _check_texture(proof, np.sum([file.static(name)[position] for name in TEXTURE], axis=0), place)
    proof.finish()


def _check_unknown(proof: Proof, name: str, values: Float[np.ndarray, " kept"], place: Place) -> None:
    """An attribute of which the vocabulary knows no range."""
    finite = np.isfinite(values)
    proof.require(finite, lambda i: f"{name} at {place(i)}: found {values[i]}, expected a number")
    proof.require(
        ~(finite & is_fill(values)),
        lambda i: (
            f"{name} at {place(i)}: found {values[i]:g}, a fill value that the file does not declare (_FillValue)?"
        ),
    )


def _check_texture(proof: Proof, total: Float[np.ndarray, " kept"], place: Place) -> None:
    proof.require(
        total > SHARES,
        lambda i: f"sand, silt and clay at {place(i)}: found a sum of {total[i]:.3g} %, expected 100 %; shares of 1?",
    )
    proof.warn(
        np.abs(total - 100) <= UNEVEN,
        lambda i: f"sand, silt and clay at {place(i)}: add up to {total[i]:.4g} %, expected 100 %",
    )
