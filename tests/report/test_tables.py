"""The score table in every form."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from paraformer.core.text_table import to_text
from paraformer.numerics.observe import OPERATORS as ALL_OPERATORS
from paraformer.report.tables import (
    OPERATORS,
    compare_table,
    evapotranspiration_table,
    full_score_table,
    operator_note,
    rounded,
    score_table,
    to_html,
    to_latex,
    to_markdown,
)
from report.results import gap, summary

TABLE = score_table(summary(), gap=gap(), runs={"default VIC": 0, "net_A": 29488})


def test_one_row_per_method_and_group_of_cells():
    assert TABLE["method"].tolist() == ["default VIC"] * 2 + ["net_A"] * 2 + ["training mean"] * 2
    assert TABLE["cells"].tolist() == ["trained (17, 1 unscored)", "unseen (6)"] * 3


def test_entries_are_the_summarys_numbers():
    row = TABLE.query("method == 'net_A'").iloc[0]
    expected = summary().query("method == 'net_A' and cells == 'trained' and operator == 'raw' and metric == 'rmse'")
    mean, std = expected[["mean", "std"]].to_numpy()[0]
    assert row["RMSE"] == f"{mean:.4f} ± {std:.4f}"
    assert "±" not in row["median NSE"]
    assert row["surrogate gap"] == "+0.0020"
    assert row["model runs"] == "29,488"


def test_the_configured_operator_stands_first_with_raw_beside():
    """Its columns say whose scores they are; every number is the summary's own."""
    both = pd.concat(
        [summary(), summary().query("operator == 'raw'").assign(operator="cell_moments", mean=0.0333, median=0.21)]
    )
    names = score_table(both, operator="cell_moments").columns.tolist()
    assert names[2:-2] == [
        *(f"moments {name}" for name in ("RMSE", "PCC", "NSE", "median NSE")),
        *("raw RMSE", "raw NSE", "raw ubRMSE", "line RMSE", "line NSE"),
    ]
    row = score_table(both, operator="cell_moments").iloc[2]
    assert (row["moments RMSE"].split()[0], row["moments median NSE"]) == ("0.0333", "0.21")
    assert row["raw RMSE"] == TABLE.iloc[2]["RMSE"]
    assert row["line NSE"] == TABLE.iloc[2]["line NSE"]
    line = score_table(summary(), operator="global_linear")
    assert line.columns.tolist()[2:9] == [
        *("line RMSE", "line PCC", "line NSE", "line median NSE"),
        *("raw RMSE", "raw NSE", "raw ubRMSE"),
    ]
    assert operator_note("raw") == ""
    assert set(OPERATORS) == set(ALL_OPERATORS)
    assert "cell_moments" in operator_note("cell_moments")


def test_what_is_missing_is_a_dash():
    row = TABLE.query("method == 'training mean'").iloc[0]
    assert row["PCC"] == row["surrogate gap"] == row["model runs"] == "–"
    assert "±" not in row["RMSE"]
    bare = score_table(summary())
    assert set(bare["surrogate gap"]) == set(bare["model runs"]) == {"–"}
    assert len(score_table(summary(), period="train")) == 0


def test_text_is_aligned():
    lines = to_text(TABLE).splitlines()
    assert len(lines) == 2 + len(TABLE)
    assert len({len(line) for line in lines}) == 1
    right = lines[0].index("RMSE") + len("RMSE")
    assert all(line[right - 1].strip() for line in lines)


def test_markdown_has_one_cell_per_column_and_escapes_pipes():
    lines = to_markdown(TABLE.assign(method="a|b")).splitlines()
    assert all(len(re.findall(r"(?<!\\)\|", line)) == len(TABLE.columns) + 1 for line in lines)
    assert lines[1].startswith("| :--- | :--- | ---: |")


def test_html_is_escaped_and_well_formed():
    text = to_html(TABLE.assign(method="<script>alert(1)</script>"))
    assert "<script>" not in text
    counts: dict[str, int] = {}

    class Counter(HTMLParser):
        def handle_starttag(self, tag, attrs):
            counts[tag] = counts.get(tag, 0) + 1

        def handle_endtag(self, tag):
            counts[f"/{tag}"] = counts.get(f"/{tag}", 0) + 1

    Counter().feed(text)
    assert counts["td"] == counts["/td"] == TABLE.size
    assert counts["tr"] == counts["/tr"] == len(TABLE) + 1


def test_rounding_keeps_words_and_counts():
    table = pd.DataFrame({"name": ["a", "b"], "x": [0.123456, np.nan], "n": [3, 4]})
    assert rounded(table, 3).to_numpy().tolist() == [["a", "0.123", 3], ["b", "–", 4]]
    assert table["x"].dtype == float


def test_a_comparison_without_interval_has_dashes():
    rows = [
        ("net", "default VIC", "trained", 243, 0.0541, 0.0983, -0.0442, -0.05, -0.04, 0.0002, 0.0003),
        ("net", "default VIC", "unseen", 9, 0.06, 0.08, -0.02, np.nan, np.nan, np.nan, np.nan),
    ]
    columns = [
        "method",
        "against",
        "cells",
        "n_cells",
        "value",
        "value_against",
        "difference",
        "low",
        "high",
        "p",
        "seed_std",
    ]
    table = compare_table(pd.DataFrame(rows, columns=columns))
    assert table.iloc[0].tolist() == [
        "net",
        "default VIC",
        "trained (243)",
        "0.0541 ± 0.0003",
        "0.0983",
        "-0.0442",
        "-0.0500 .. -0.0400",
        "0.0002",
    ]
    assert table.iloc[1].tolist()[3:] == ["0.0600", "0.0800", "-0.0200", "–", "–"]


def test_the_full_table_has_every_operator():
    table = full_score_table(summary())
    assert len(table) == 3 * 2 * 2
    assert table["operator"].unique().tolist() == ["raw", "global_linear"]
    row = table.query("method == 'net_A' and operator == 'global_linear'").iloc[0]
    expected = summary().query(
        "method == 'net_A' and cells == 'trained' and operator == 'global_linear' and metric == 'nse'"
    )
    mean, std, median = expected[["mean", "std", "median"]].to_numpy()[0]
    assert row["NSE"] == f"{mean:.2f} ± {std:.2f}"
    assert row["median NSE"] == f"{median:.2f}"
    assert row["KGE"] == "–"


def annual_scores() -> pd.DataFrame:
    rows = [
        ("process model", "net", 0, "et_gleam", "all", 100.0, 0.9, 0.5, 10.0, 600.0),
        ("process model", "net", 1, "et_gleam", "all", 110.0, 0.8, 0.3, 20.0, 620.0),
        ("process model", "net", 0, "et_gleam", "unseen", 1.0, 1.0, 1.0, 1.0, 1.0),
        ("process model", "net", 0, "et_modis", "all", 90.0, 0.9, 0.5, 10.0, 600.0),
        ("process model", "net", 1, "et_modis", "all", np.nan, np.nan, np.nan, np.nan, 620.0),
        ("reference", "et_modis", -1, "et_gleam", "all", 80.0, 0.95, 0.8, 5.0, 500.0),
    ]
    columns = ["kind", "method", "seed", "reference", "cells", "rmse", "pcc", "nse", "bias", "mean"]
    table = pd.DataFrame(rows, columns=columns).assign(
        season_rmse=12.0, crps=66.0, less_default=np.nan, less_low=np.nan
    )
    table.loc[table["method"] == "net", ["less_default", "less_low", "less_high"]] = (-9.0, -14.0, -4.0)
    return table


def test_table_3_sets_products_against_each_other_and_hides_no_gap():
    table = evapotranspiration_table(annual_scores()).set_index("method")
    assert table.index.tolist() == ["net", "MODIS (product)"]
    assert table.loc["net", "mean"] == "610 ± 14"
    assert table.loc["net", "GLEAM RMSE"] == "105 ± 7"
    assert table.loc["net", "GLEAM NSE"] == "0.40 ± 0.14"
    assert table.loc["net", "MODIS RMSE"] == "–", "one seed without a score leaves no mean"
    assert table.loc["net", ["GLEAM season RMSE", "GLEAM CRPS"]].tolist() == ["12.0 ± 0.0", "66"]
    assert table["GLEAM less default"].tolist() == ["-9 (-14 .. -4)", "–"]
    assert table.loc["MODIS (product)", ["GLEAM PCC", "MODIS PCC"]].tolist() == ["0.950", "–"]
    assert evapotranspiration_table(annual_scores(), cells="unseen")["mean"].tolist() == ["1"]
    assert to_text(evapotranspiration_table(annual_scores().iloc[:0])).startswith("method  mean")


def test_latex_has_one_column_each_and_no_special_sign_left():
    lines = to_latex(TABLE.assign(method="best θ_1 100 % & more")).splitlines()
    assert lines[0] == r"\begin{tabular}{llrrrrrrrrr}"
    body = lines[4:-2]
    assert len(body) == len(TABLE)
    for line in body:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == len(TABLE.columns) - 1
        assert not re.search(r"[±–θ]|(?<!\\)[_%]", line)
    assert r"best $\theta$\_1 100 \% \& more" in body[0]


@pytest.mark.parametrize(
    ("sign", "printed"),
    [
        ("$", r"\$"),
        ("{", r"\{"),
        ("}", r"\}"),
        ("^", r"\textasciicircum{}"),
        ("~", r"\textasciitilde{}"),
        ("&", r"\&"),
        ("%", r"\%"),
        ("#", r"\#"),
        ("_", r"\_"),
        ("\\", r"\textbackslash{}"),
        ("\n", " "),
    ],
)
def test_every_sign_that_latex_reads_is_printed_as_itself(sign: str, printed: str) -> None:
    """In entries and in names of columns; a method may be called anything."""
    lines = to_latex(pd.DataFrame({f"a{sign}b": [f"x{sign}{sign}y", "1"]})).splitlines()
    assert lines[2] == rf"a{printed}b \\"
    assert lines[4] == rf"x{printed}{printed}y \\"
