"""User tables in the CAMELS layout (Addor et al. 2017): text with semicolons, CSV, matched by gauge or by place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data.simple_world import CELLS, simple_dataset
from paraformer.core.errors import DataError
from paraformer.data.sources.config import TableConfig
from paraformer.data.sources.tables import add_attributes


@pytest.fixture
def dataset() -> xr.Dataset:
    return simple_dataset(n_days=3).drop_vars(["sand", "clay", "elevation"])


def table(**changes) -> pd.DataFrame:
    """Rows in another order than the cells, one more than there are cells."""
    order = np.array([99, *CELLS[::-1]])
    given = {
        "gauge_id": [f"{k:08d}" for k in order],
        "elev_mean": order * 10.0,
        "sand_frac": order * 1.0,
        "dom_land_cover": ["Grasslands"] * len(order),
    }
    return pd.DataFrame(given | changes)


def write(frame: pd.DataFrame, path: Path, sep: str = ";") -> Path:
    frame.to_csv(path, sep=sep, index=False)
    return path


@pytest.mark.parametrize("sep", [";", ","])
def test_rows_are_found_by_gauge(dataset, tmp_path, sep):
    path = write(table(), tmp_path / "camels_soil.txt", sep)
    columns = {"elevation": "elev_mean", "sand": "sand_frac", "cover": "dom_land_cover"}
    found = add_attributes(dataset, TableConfig(path=path, key="gauge_id", columns=columns))
    np.testing.assert_array_equal(found["elevation"], CELLS * 10.0)
    np.testing.assert_array_equal(found["sand"], CELLS)
    assert found["sand"].attrs["units"] == "%"
    assert set(found["cover"].values) == {"Grasslands"}
    everything = add_attributes(dataset, TableConfig(path=path, key="gauge_id"))
    np.testing.assert_array_equal(everything["elev_mean"], CELLS * 10.0)
    assert "dom_land_cover" not in everything


def test_rows_are_found_by_place(dataset, tmp_path):
    frame = pd.DataFrame(
        {"lat": dataset["lat"].values[::-1], "lon": dataset["lon"].values[::-1], "slope_mean": CELLS[::-1]}
    )
    found = add_attributes(dataset, TableConfig(path=write(frame, tmp_path / "t.csv", ",")))
    np.testing.assert_array_equal(found["slope_mean"], CELLS)
    frame["lat"] += 0.5
    moved = TableConfig(path=write(frame, tmp_path / "t.csv", ","))
    with pytest.raises(DataError, match=r"t.csv: no cell at the place of .*the nearest, .* is 0.5 degree away"):
        add_attributes(dataset, moved)


def test_parquet(dataset, tmp_path):
    path = tmp_path / "t.parquet"
    try:
        table().to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(DataError, match=r"t.parquet: reading parquet needs the package pyarrow"):
            add_attributes(dataset, TableConfig(path=path, key="gauge_id"))
        return
    found = add_attributes(dataset, TableConfig(path=path, key="gauge_id"))
    np.testing.assert_array_equal(found["elev_mean"], CELLS * 10.0)


def test_faults(dataset, tmp_path):
    def refused(frame: pd.DataFrame, message: str, **changes) -> None:
        given = {"path": write(frame, tmp_path / "t.csv"), "key": "gauge_id", "columns": {"sand": "sand_frac"}}
        with pytest.raises(DataError, match=message):
            add_attributes(dataset, TableConfig(**(given | changes)))

    frame = table()
    refused(frame, r"column 'sand_fraction' is missing; did you mean 'sand_frac'\?", columns={"sand": "sand_fraction"})
    refused(frame, r"column 'gauge' is missing", key="gauge")
    refused(frame.iloc[:-1], r"t.csv: no row for cell 3")
    refused(pd.concat([frame, frame.iloc[-1:]]), r"column 'gauge_id': 3 is there twice")
    refused(table(gauge_id=["a"] * 8), r"'gauge_id' holds identifiers that are no integers")
    refused(table(sand_frac=[0.0, 200.0, *[1.0] * 6]), r"sand at cell 20: found 200 %, expected 0 to 100 %")
    refused(table(sand_frac=[0.0, 1.0, -9999.0, *[1.0] * 5]), r"sand at cell 12: missing or not a number")
    refused(frame, r"attribute 'qc' is already in the data", columns={"qc": "sand_frac"})
    refused(frame, r"nowhere.csv: file does not exist", path=tmp_path / "nowhere.csv")
