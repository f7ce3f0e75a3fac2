"""``fetch`` from study file to folder: estimate first, nothing twice, failures named."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import requests
import yaml

from data.flaky_server import Flaky, flaky_server
from paraformer.config import Study, load_study
from paraformer.core.errors import DataError, SettingsError
from paraformer.data.archive import Query
from paraformer.data.download import Policy, Remote
from paraformer.pipeline import fetch as module
from paraformer.pipeline.fetch import fetch, plan_fetch
from worlds import write_study

DATA = {
    "source": "products",
    "train": {"start": "2016-06-01", "end": "2016-06-10"},
    "test": {"start": "2016-06-11", "end": "2016-06-20"},
    "products": {
        "grid": "ease2_36km",
        "region": {"south": 33.0, "north": 34.5, "west": -101.5, "east": -100.0},
        "period": {"start": "2016-06-01", "end": "2016-06-20"},
        "forcing": {"folder": "nldas"},
        "observation": {"folder": "smap", "product": "SPL3SMP", "overpass": "am"},
    },
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "region", "data": DATA}))
    return load_study(path)


@pytest.fixture
def archive(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A server with two files for each query, and the catalogue that knows them."""
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["x"] = range(1000)
    content = (tmp_path / "any.h5").read_bytes()
    with flaky_server() as flaky:

        def search(query: Query) -> list[Remote]:
            names = [f"{query.product}.{k}" for k in range(2)]
            flaky.files.update(dict.fromkeys(names, content))
            return [Remote(f"{flaky.url}/{n}", query.folder / n, "HDF5", len(content), True) for n in names]

        monkeypatch.setattr(module, "search", search)
        yield flaky


def session() -> requests.Session:
    found = requests.Session()
    found.trust_env = False
    return found


def nobody() -> requests.Session:
    raise AssertionError("nobody needs to log in")


PATIENT = Policy(tries=2, sleep=lambda seconds: None)


def test_estimate_then_files_then_nothing_more(study: Study, archive: Flaky) -> None:
    plan = plan_fetch(study)
    text = plan.to_text()
    assert "SPL3SMP" in text
    assert "NLDAS_FORA0125_H" in text
    assert text.endswith(f"to fetch: 4 files, {4 * len(archive.files['SPL3SMP.0']) / 1e6:.1f} MB")
    assert not archive.ranges
    assert fetch(plan, PATIENT, session=session) == "4 files fetched"
    assert study.data.products is not None
    assert (study.data.products.observation.folder / "SPL3SMP.1").exists()
    again = plan_fetch(study)
    assert again.wanted == []
    assert fetch(again, PATIENT, session=nobody) == "every file is there"


def test_files_that_do_not_come_are_named_and_tried_again(study: Study, archive: Flaky) -> None:
    archive.script["SPL3SMP.1"] = ["404"]
    archive.script["SPL3SMP.0"] = ["html"]
    with pytest.raises(DataError, match=r"SPL3SMP\.1: gone from the archive.*1 of 4 files not fetched; 3 fetched"):
        fetch(plan_fetch(study), PATIENT, session=session)
    assert len(plan_fetch(study).wanted) == 1
    assert fetch(plan_fetch(study), PATIENT, session=session) == "1 files fetched"


def test_a_study_without_granules_has_nothing_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"data\.products is missing"):
        plan_fetch(load_study(write_study(tmp_path)))
