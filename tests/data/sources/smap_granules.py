"""Small granules with the structure of SPL3SMP_E (versions 5, 6) and SPL3SMP (versions 8, 9).

Follows the user guides of the two products, "File contents" and the table of data fields: groups, dataset names, types,
fill values and the suffix ``_pm``. The arrays have the full global size; only a window of them holds values, and HDF5
keeps no chunk that nobody wrote, so that a granule takes a few kilobytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

FLOAT, INDEX = -9999.0, 65534
SHAPE = {"SPL3SMP_E": (1624, 3856), "SPL3SMP": (406, 964)}
_FLOATS = {
    "albedo": "normalized",
    "bulk_density": "g/cm**3",
    "clay_fraction": "normalized",
    "freeze_thaw_fraction": "normalized",
    "radar_water_body_fraction": "normalized",
    "roughness_coefficient": "normalized",
    "soil_moisture": "cm**3/cm**3",
    "soil_moisture_dca": "cm**3/cm**3",
    "soil_moisture_scah": "cm**3/cm**3",
    "soil_moisture_scav": "cm**3/cm**3",
    "soil_moisture_error": "cm**3/cm**3",
    "static_water_body_fraction": "normalized",
    "surface_temperature": "Kelvins",
    "tb_h_corrected": "Kelvins",
    "tb_v_corrected": "Kelvins",
    "vegetation_opacity": "normalized",
    "vegetation_water_content": "kg/m**2",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
}
_INTEGERS = (
    "EASE_row_index",
    "EASE_column_index",
    "retrieval_qual_flag",
    "retrieval_qual_flag_dca",
    "retrieval_qual_flag_scah",
    "retrieval_qual_flag_scav",
    "surface_flag",
    "tb_qual_flag_h",
    "tb_qual_flag_v",
)


@dataclass
class Overpass:
    """What one group holds in a window [row, column] of the grid; fill values mark cells without a value."""

    row: int
    column: int
    time: np.ndarray
    soil_moisture: np.ndarray
    retrieval_qual_flag: np.ndarray
    surface_flag: np.ndarray
    water: float = 0.01


def overpass(row: int, column: int, shape: tuple[int, int], time: str, moisture: float | np.ndarray = 0.2) -> Overpass:
    """A window of equal, recommended retrievals at one UTC time."""
    return Overpass(
        row,
        column,
        np.full(shape, np.datetime64(time, "ms")),
        np.broadcast_to(np.asarray(moisture, np.float32), shape).copy(),
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint16),
    )


def write_granule(
    folder: Path,
    product: str,
    day: str,
    am: Overpass | None = None,
    pm: Overpass | None = None,
    release: str = "18290",
    count: int = 1,
) -> Path:
    """Write a granule of a day of 2016 or later (four leap seconds since J2000, five from 2017 on)."""
    letter = "_E" if product == "SPL3SMP_E" else ""
    path = folder / f"SMAP_L3_SM_P{letter}_{day.replace('-', '')}_R{release}_{count:03d}.h5"
    with h5py.File(path, "w") as file:
        identification = file.create_group("Metadata/DatasetIdentification")
        identification.attrs["shortName"] = np.bytes_(product)
        identification.attrs["CompositeReleaseID"] = np.bytes_(f"R{release}")
        file.create_group("Metadata/GridSpatialRepresentation")
        for half, suffix, content in (("AM", "", am), ("PM", "_pm", pm)):
            _write_group(file.create_group(f"Soil_Moisture_Retrieval_Data_{half}"), suffix, SHAPE[product], content)
    return path


def _write_group(group: h5py.Group, suffix: str, shape: tuple[int, int], content: Overpass | None) -> None:
    chunks = (shape[0] // 8, shape[1] // 8)

    def create(name: str, dtype: object, fill: object, extra: tuple[int, ...] = ()) -> h5py.Dataset:
        dataset = group.create_dataset(
            name + suffix, shape + extra, dtype, chunks=chunks + extra, compression="gzip", fillvalue=fill
        )
        dataset.attrs["_FillValue"] = fill
        dataset.attrs["coordinates"] = np.bytes_(f"/{group.name}/latitude /{group.name}/longitude")
        return dataset

    for name, unit in _FLOATS.items():
        create(name, np.float32, np.float32(FLOAT)).attrs["units"] = np.bytes_(unit)
    for name in _INTEGERS:
        create(name, np.uint16, np.uint16(INDEX))
    create("tb_time_seconds", np.float64, FLOAT).attrs["units"] = np.bytes_("seconds")
    create("tb_time_utc", "S24", np.bytes_("N/A"))
    create("landcover_class", np.uint8, np.uint8(254), (3,))
    if content is not None:
        _fill(group, suffix, content)


def _fill(group: h5py.Group, suffix: str, content: Overpass) -> None:
    rows, columns = content.soil_moisture.shape
    window = (slice(content.row, content.row + rows), slice(content.column, content.column + columns))
    row, column = np.mgrid[window]
    since = (content.time - np.datetime64("2000-01-01T11:58:55.816", "ms")) / np.timedelta64(1, "s") + 4.0
    since += content.time >= np.datetime64("2017-01-01", "ms")
    text = np.char.add(np.datetime_as_string(content.time, unit="ms"), "Z").astype("S24")
    values = {
        "EASE_row_index": row,
        "EASE_column_index": column,
        "soil_moisture": content.soil_moisture,
        "soil_moisture_dca": content.soil_moisture,
        "soil_moisture_scav": np.where(content.soil_moisture == FLOAT, FLOAT, content.soil_moisture + 0.05),
        "retrieval_qual_flag": content.retrieval_qual_flag,
        "retrieval_qual_flag_dca": content.retrieval_qual_flag,
        "retrieval_qual_flag_scav": content.retrieval_qual_flag,
        "surface_flag": content.surface_flag,
        "static_water_body_fraction": np.full((rows, columns), content.water),
        "tb_time_seconds": since,
        "tb_time_utc": text,
    }
    for name, value in values.items():
        group[name + suffix][window] = value
