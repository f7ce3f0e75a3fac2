"""The first screen of a report: three sentences, the figure of them, the files to take and the recommended θ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from paraformer.core.results import Results
from paraformer.core.run_files import CELLS, PARAMS
from paraformer.report.page import escaped, file_list, table_block
from paraformer.report.rivals import Compared, interval_note, sentences
from paraformer.report.units import typeset


def first_screen(results: Results, compared: Compared) -> str:
    """The first screen as HTML."""
    told = "".join(f'<p class="sentence">{escaped(text)}</p>' for text in sentences(results, compared))
    recommended = results.recommended.method
    caption = (
        f"Error (RMSE, test period) of each method less that of {results.default}, mean over cells and its 95 % "
        "interval: full dots trained cells, open dots unseen ones, ★ the recommended method. Left of the line a method "
        "is better; where the interval crosses the line, the difference may be chance."
    )
    figure = (
        '<figure><div class="chart" id="effect" data-paper="310" role="img" '
        'aria-label="Error of every method less that of the a-priori '
        f'parameters; the errors are in the table of scores"></div><figcaption>{escaped(caption)}</figcaption></figure>'
    )
    table = ""
    if recommended is not None:
        table = table_block("recommended", *theta_table(results, recommended, "Recommended θ", results.prior))
    note = f'<p class="note">{escaped(f"{results.recommended} {interval_note(compared)}")}</p>'
    return (
        f'<div class="first"><div>{told}{note}</div>{figure}</div>\n'
        f"<h3>Files to take</h3>{file_list(_files_to_take(results))}\n{table}"
    )


def theta_table(
    results: Results, method: str, what: str, prior: Float[np.ndarray, "cell parameter"] | None
) -> tuple[str, pd.DataFrame]:
    """Caption and table of a method's θ over cells, beside the a-priori one where it is known.

    Args:
        what: which θ it is.
        prior: a-priori θ, physical values.
    """
    theta = results.space.mean(results.theta_fields()[method])
    rows = [
        {
            "parameter": p.name,
            "what it is": p.meaning,
            "unit": typeset(p.unit),
        }
        | ({} if prior is None else {"a priori": _middle(prior[:, i])})
        | {"found": _middle(theta[:, i]), "bounds": "{:g} to {:g}".format(*p.physical_bounds)}
        for i, p in enumerate(results.space)
    ]
    caption = (
        f"{what} ({method}, mean over seeds): median over cells, in brackets the range of nine cells in ten. "
        "Where it ends at a bound, the bound holds it, not the observations."
    )
    return caption, pd.DataFrame(rows)


def _middle(values: np.ndarray) -> str:
    low, middle, high = (f"{value:.3g}" for value in np.nanpercentile(values, (5, 50, 95)))
    return middle if low == high else f"{middle} [{low} to {high}]"


def _files_to_take(results: Results) -> list[tuple[str, str]]:
    files = []
    recommended = results.recommended.method
    if recommended is not None:
        own = results.parameter_file(recommended)
        what = "parameter file of the process model" if own.name == PARAMS else "θ of every cell"
        files.append((f"{what} with the recommended θ ({recommended}, mean over seeds)", own))
    files += [
        ("scores over cells, for a spreadsheet", results.directory / "tables" / "table2.csv"),
        ("scores of every cell (netCDF)", results.folder("scores") / CELLS),
        ("the study, to run it again", results.study_file),
    ]
    return [(what, path.relative_to(results.directory).as_posix()) for what, path in files]
