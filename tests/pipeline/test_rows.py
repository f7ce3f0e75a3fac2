"""Every table lists its rows in one order, whatever the order in which they were judged."""

import pandas as pd
import yaml
import zarr

from paraformer.pipeline.rows import rows_of


def test_rows_stand_in_river_order(tmp_path):
    scores = tmp_path / "scores"
    scores.mkdir()
    judged = ["true θ", "Z", "SCE-UA, inverse distance", "SCE-UA", "A", "best single θ"]
    methods = ["climatology", *judged, "default VIC", "API"]
    pd.DataFrame({"method": [m for m in methods for _ in range(2)]}).to_csv(scores / "soil_moisture.csv", index=False)
    zarr.create_group(tmp_path / "verdict" / "verdict.zarr", attributes={"methods": judged})
    networks = {
        "Z": {"network": {"name": "paraformer_z"}},
        "A": {"network": {"name": "ffn_a"}},
    }
    study = {"learners": networks, "evaluation": {"transfers": {"source": "SCE-UA", "by": ["inverse_distance"]}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    rows = rows_of(scores)
    carried = "SCE-UA, inverse distance"
    assert rows.order == [
        "default VIC",
        "SCE-UA",
        "best single θ",
        carried,
        "A",
        "Z",
        "climatology",
        "API",
        "true θ",
    ]
    assert (rows.learners, rows.history) == (["A"], ["Z"])
    assert (rows.searches, rows.transfers) == (["SCE-UA", "best single θ"], [carried])
    assert rows.references == ["climatology", "API"]
