"""Tiles with the structure of MOD16A2 and MOD16A2GF version 6.1, as real HDF4 files.

Follows the user's guide of the product (Running et al. 2021, version 1.1): data sets, types, scale factor, valid range
without a fill value, fill classes, quality layer; the grid in ``StructMetadata.0`` as HDF-EOS2 writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pyhdf.SD import SD, SDC

SIZE = 2400
_GRID = "MOD_Grid_MOD16A2"
_TILE = 1111950.519667
_LAYERS = {
    "ET_500m": (SDC.INT16, "kg/m^2/8day", 0.1, [-32767, 32700]),
    "LE_500m": (SDC.INT16, "J/m^2/day", 10000.0, [-32767, 32700]),
    "PET_500m": (SDC.INT16, "kg/m^2/8day", 0.1, [-32767, 32700]),
    "PLE_500m": (SDC.INT16, "J/m^2/day", 10000.0, [-32767, 32700]),
}


def write_tile(
    folder: Path,
    day: str,
    h: int,
    v: int,
    et: np.ndarray | int = 100,
    qc: np.ndarray | int = 0,
    product: str = "MOD16A2GF",
    made: str = "2020256154955",
    scale: float = 0.1,
) -> Path:
    """A tile; ``day`` is YYYYDDD, ``et`` counts [2400, 2400] of 0.1 kg m-2 a composite."""
    path = folder / f"{product}.A{day}.h{h:02d}v{v:02d}.061.{made}.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    for name, (kind, unit, factor, valid) in _LAYERS.items():
        data = file.create(name, kind, (SIZE, SIZE))
        data.setcompress(SDC.COMP_DEFLATE, 1)
        data.dim(0).setname(f"YDim:{_GRID}")
        data.dim(1).setname(f"XDim:{_GRID}")
        if name == "ET_500m":  # the other layers are there, but nobody reads them: no values, no time
            data[:] = np.broadcast_to(np.asarray(et, np.int16), (SIZE, SIZE)).copy()
        data.attr("long_name").set(SDC.CHAR, "MODIS Gridded 500m 8-day Composite Evapotranspiration (ET)")
        data.attr("units").set(SDC.CHAR, unit)
        data.attr("valid_range").set(kind, valid)
        data.attr("scale_factor").set(SDC.FLOAT64, scale if name == "ET_500m" else factor)
        data.attr("add_offset").set(SDC.FLOAT64, 0.0)
        data.endaccess()
    data = file.create("ET_QC_500m", SDC.UINT8, (SIZE, SIZE))
    data.setcompress(SDC.COMP_DEFLATE, 1)
    data.dim(0).setname(f"YDim:{_GRID}")
    data.dim(1).setname(f"XDim:{_GRID}")
    data[:] = np.broadcast_to(np.asarray(qc, np.uint8), (SIZE, SIZE)).copy()
    data.attr("_FillValue").set(SDC.UINT8, 255)
    data.attr("valid_range").set(SDC.UINT8, [0, 254])
    data.endaccess()
    file.attr("StructMetadata.0").set(SDC.CHAR, _structure(h, v))
    file.end()
    return path


def _structure(h: int, v: int) -> str:
    left, top = (h - 18) * _TILE, (9 - v) * _TILE
    return (
        "GROUP=SwathStructure\nEND_GROUP=SwathStructure\nGROUP=GridStructure\n\tGROUP=GRID_1\n"
        f'\t\tGridName="{_GRID}"\n\t\tXDim={SIZE}\n\t\tYDim={SIZE}\n'
        f"\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})\n\t\tLowerRightMtrs=({left + _TILE:.6f},{top - _TILE:.6f})\n"
        "\t\tProjection=GCTP_SNSOID\n\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)\n\t\tSphereCode=-1\n"
        "\tEND_GROUP=GRID_1\nEND_GROUP=GridStructure\nGROUP=PointStructure\nEND_GROUP=PointStructure\nEND\n"
    )
