"""Names of learners and searches: a row of every table and a folder of every run, told apart by everybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraformer.core.names import MOST_BYTES, ROWS, STAGES, folded, require_file_name, require_names


def require(*names: str) -> None:
    require_names([("learners", name) for name in names])


@pytest.mark.parametrize(
    "name",
    ["FFN_A", "FFN θ·é 网络", "SCE-UA", "ParaFormer_A, refined", "v1.5", "a b", "1e5", "x" * MOST_BYTES, "Ω|&$_%"],
)
def test_names_that_are_well(name: str) -> None:
    require(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "\t",
            ".",
            "..",
            ".hidden",
            "../../x",
            "/abs",
            "a/b",
            "a\\b",
            " a",
            "a ",
            "a\n",
            "a\nb",
            "a\tb",
            "a\0b",
        ),
        *("\x1b[31m", "\u200bx", "a\u202eb", "\u00a0a", "\ud800", "a\u2028b", "x" * 201, "θ" * 101),
    ],
)
def test_names_that_no_file_should_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^learners: "):
        require(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            *ROWS,
            *STAGES,
            "Default VIC",
            "DEFAULT  VIC",
            "ｄｅｆａｕｌｔ VIC",
            "true ϑ",
            "Best Θ per cell",
            "stage.json",
        ),
        *("Stale", "study.yaml", "figures", "NaN", "none", "NULL", "NA", "Climatology", "api, one decay"),
    ],
)
def test_names_of_the_product_s_own(name: str) -> None:
    with pytest.raises(ValueError, match="take another"):
        require(name)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "A"), ("é", "é"), ("straße", "STRASSE"), ("a b", "a  b"), ("ﬁt", "fit"), ("x", "x")]
)
def test_names_that_some_disks_take_for_one(one: str, other: str) -> None:
    with pytest.raises(ValueError, match="on a disk that ignores case; take another"):
        require(one, other)


def test_further_rows_are_the_product_s_own_too() -> None:
    with pytest.raises(ValueError, match="searches: name 'SCE-UA, nearest' is that of the product's row"):
        require_names([("searches", "SCE-UA, nearest")], [*ROWS, "SCE-UA, nearest"])


@given(st.text())
def test_any_text_is_taken_or_refused_in_one_line(name: str) -> None:
    try:
        require_file_name(name)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert len(name.encode()) <= MOST_BYTES
        assert not set("/\\\0\n") & set(name)
        assert folded(folded(name)) == folded(name)
