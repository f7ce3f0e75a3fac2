"""``apply``: a trained map on cells it was not made for. No training; θ, files that VIC runs, and what to doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.core.conventions import axes, labels
from paraformer.core.errors import SettingsError
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.netcdf import write_dataset
from paraformer.core.schema import ParameterField
from paraformer.core.text_table import to_text
from paraformer.data.views import calibration_view
from paraformer.learners.encoding import Encoded, static_of
from paraformer.learners.inputs import History
from paraformer.learners.released import Applied, ReleasedMap
from paraformer.numerics.scores import MIN_DAYS
from paraformer.pipeline.judge import judge_rows, to_rows
from paraformer.pipeline.target import Target, Wanted, open_target
from paraformer.process.parameter_field import PARAMS, THETA, write_vic_parameters


class Order(NamedTuple):
    """What a user asks for.

    Attributes:
        target: cells to apply the map to.
        files: parameter and domain file of a file of the simple format, if not beside it.
        judge: whether the process model judges θ by the observations of the cells.
    """

    target: Path
    files: tuple[Path | None, Path | None] = (None, None)
    judge: bool = False


def apply_map(found: ReleasedMap, order: Order, directory: Path, progress: Progress | None = None) -> str:
    """Apply a map to cells and write ``theta.nc``, ``params.nc`` and ``unlike_training.csv``.

    Args:
        directory: folder of the results.

    Returns:
        What to tell the user.

    Raises:
        SettingsError, DataError: cells, files or observations that the map cannot be applied to, or θ cannot be judged
            by.
    """
    progress = progress or Progress()
    wanted = wanted_by(found, judge=order.judge)
    target = open_target(order.target, wanted, order.files, directory / "target", progress)
    if order.judge and target.model is None:
        raise SettingsError(f"{order.target}: VIC's files hold no observations to judge by; leave --judge out")
    seen, applied = predicted(found, target)
    written = _write(found, target, seen, applied, directory)
    lines = [*_told(found, target, seen, applied), ""]
    if order.judge:
        lines += [_judged(found, target, applied, directory), ""]
    return "\n".join(lines + [f"{path}" for path in written])


def wanted_by(found: ReleasedMap, *, judge: bool = False) -> Wanted:
    """What a map has to be given of cells, and with ``judge`` the process model."""
    observation = str(found.card.get("observation", "")) if found.reads_history or judge else ""
    return Wanted(found.encoding.variables, observation, found.observations != "masked")


def predicted(found: ReleasedMap, target: Target) -> tuple[Encoded, Applied]:
    """The attributes of cells as a map sees them, and θ by it; errors as ``ReleasedMap.predict``."""
    seen = found.encoding(static_of(target.cube))
    prior = found.parameters.clip(target.prior(found.parameters))
    return seen, found.predict(seen.values, prior, _history(found, target, prior))


def _history(found: ReleasedMap, target: Target, prior: np.ndarray) -> History | None:
    """Days of the training period, of a map that reads them."""
    if not found.reads_history:
        return None
    data = calibration_view(target.cube, found.parameters, prior, every_cell=True, filled=target.filled)
    return History.of(data, found.observations)


def _write(found: ReleasedMap, target: Target, seen: Encoded, applied: Applied, directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    cube, space = target.cube, found.parameters
    write_dataset(theta_dataset(found, target, seen, applied), directory / THETA)
    written = [directory / THETA]
    table = _unlike(found, target, seen)
    write_csv(directory / "unlike_training.csv", table)
    written.append(directory / "unlike_training.csv")
    if target.files.parameters is not None:
        field = ParameterField(found.name, -1, applied.theta)
        write_vic_parameters(directory / PARAMS, field, space, cube, target.files.parameters, target.names)
        written.insert(0, directory / PARAMS)
    return written


def theta_dataset(found: ReleasedMap, target: Target, seen: Encoded, applied: Applied) -> xr.Dataset:
    """θ, its spread and how far each attribute is outside the trained range, as CF-1.8."""
    cube = target.cube
    variables: dict[str, tuple] = {}
    for i, p in enumerate(found.parameters):
        variables[p.name] = ("cell", applied.theta[:, i], p.attributes)
        variables[f"{p.name}_spread"] = (
            "cell",
            applied.spread[:, i],
            {"units": p.unit, "long_name": f"standard deviation of the error of {p.name}"},
        )
    flags: dict[str, Any] = {"long_name": "1: an attribute lies outside the range of the trained cells", "units": "1"}
    flags |= {"flag_values": np.array([0, 1], dtype="int8"), "flag_meanings": "like_training unlike_training"}
    variables["unlike_training"] = ("cell", _outside(seen).any(axis=1).astype("int8"), flags)
    beyond = {"long_name": "distance from the range of the trained cells, in its widths", "units": "1"}
    variables["beyond_training"] = (("cell", "attribute"), seen.beyond, beyond)
    coords = axes(cube.cells, cube.lat, cube.lon) | labels("attribute", found.encoding.names, "static attribute")
    attributes = {
        "title": f"Parameters of {target.source.name} by the map {found.name}",
        "source": f"paraformer {found.card.get('paraformer', '')}, study {found.card.get('study', '')}",
    }
    return xr.Dataset(variables, coords, attributes)


def _outside(seen: Encoded) -> np.ndarray:
    return seen.beyond > 0


def _unlike(found: ReleasedMap, target: Target, seen: Encoded) -> pd.DataFrame:
    """Every cell and attribute outside the trained range: a row each."""
    cell, column = np.nonzero(_outside(seen))
    encoding, cube = found.encoding, target.cube
    return pd.DataFrame(
        {
            "cell": cube.cells[cell],
            "lat": cube.lat[cell],
            "lon": cube.lon[cell],
            "attribute": np.array(encoding.names)[column],
            "value": seen.values[cell, column],
            "trained_least": encoding.low[column],
            "trained_most": encoding.high[column],
            "beyond": seen.beyond[cell, column],
        }
    )


def _told(found: ReleasedMap, target: Target, seen: Encoded, applied: Applied) -> list[str]:
    """θ in numbers, and what to doubt."""
    cells, unlike = len(target.cube.cells), int(_outside(seen).any(axis=1).sum())
    table = pd.DataFrame(
        {
            "parameter": found.parameters.names,
            "unit": [p.unit for p in found.parameters],
            "5th percentile": np.percentile(applied.theta, 5, axis=0),
            "median": np.median(applied.theta, axis=0),
            "95th percentile": np.percentile(applied.theta, 95, axis=0),
            "spread": applied.spread.mean(axis=0),
        }
    )
    lines = [f"{found.name} on {cells} cells of {target.source}", "", to_text(table.round(4)), ""]
    lines += seen.notes
    names = np.array(found.encoding.names)[_outside(seen).any(axis=0)]
    outside = f"{unlike} of {cells} cells lie outside what the map was trained on"
    lines.append(outside + (f" ({', '.join(names[:8])}{' ...' if len(names) > 8 else ''})" if unlike else ""))
    return lines


def _judged(found: ReleasedMap, target: Target, applied: Applied, directory: Path) -> str:
    assert target.model is not None
    cube, period = target.cube, "test" if target.study is not None else "train"
    fields: dict[str, Float[np.ndarray, "cell parameter"]] = {found.name: applied.theta}
    least = MIN_DAYS if target.study is None else target.study.evaluation.min_days
    rows = judge_rows(target.model(found.parameters), cube, fields, period, least)
    write_csv(directory / "scores.csv", rows)
    return f"judged by the process model, {cube.period(period)}, raw\n\n{to_text(to_rows(rows))}"
