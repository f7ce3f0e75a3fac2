"""Annual evapotranspiration of θ learned from soil moisture alone, against products it has never seen (docs/method.md
section 10).

Fields of annual totals are compared over cells, as in the paper's Table 3. The products stand against each other in
the same table: where they differ as much as a method differs from them, the method cannot be told from the truth.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError
from paraformer.core.names import DEFAULT
from paraformer.core.time import DAYS_OF_MONTH, DAYS_PER_YEAR, Period, month_of
from paraformer.core.units import canonical
from paraformer.evaluation.compare import MIN_BLOCKS, TILE, block_bootstrap, tiles
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.scores import accumulate, fair_crps, finish

logger = logging.getLogger(__name__)

MIN_CELLS = 3
"""Cells a score over cells needs."""
BUDYKO = "Budyko curve"
"""Row of the table that knows only climate: what any water balance model should beat."""

SCORE_COLUMNS = (
    "kind",
    "method",
    "seed",
    "reference",
    "cells",
    "period",
    "rmse",
    "pcc",
    "nse",
    "bias",
    "mean",
    "mean_reference",
    "n_cells",
    "n_masked",
    "season_rmse",
    "season_pcc",
    "crps",
    "coverage",
    "nominal",
    "less_default",
    "less_low",
    "less_high",
    "less_p",
)
"""Columns of ``scores/evapotranspiration.csv``; RMSE, bias and means in mm year-1, PCC and NSE over cells. The rest as
``ApartScores`` and ``MethodScores`` say."""

_PER_DAY = {"mm day-1": 1.0, "mm year-1": 1 / DAYS_PER_YEAR, "mm yr-1": 1 / DAYS_PER_YEAR}
"""Factor from a unit of constant length to mm day-1; months differ in length and are handled by their own days."""


_CALENDAR = np.arange(1, 13)


class Annual(NamedTuple):
    """A field of annual evapotranspiration.

    Attributes:
        kind: ``process model``, ``curve`` or ``reference``.
        method: name in the tables.
        seed: seed of the method, -1 where it has none.
        total: [mm year-1] [cell]; any value where ``known`` is False.
        known: [cell].
        months: totals of the calendar months [mm month-1] [cell, 12], ``None`` where only the year is known.
    """

    kind: str
    method: str
    seed: int
    total: np.ndarray
    known: np.ndarray
    months: np.ndarray | None = None


class ApartScores(NamedTuple):
    """The seasonal cycle apart from the annual total: calendar months less their own mean, mean over cells.

    Attributes:
        rmse: [mm month-1].
        pcc: over the twelve months of a cell.
    """

    rmse: float
    pcc: float


class MethodScores(NamedTuple):
    """Scores of all seeds of a method together, the same on each of its lines.

    Attributes:
        crps: fair continuous ranked probability score of the seeds as an ensemble, mean over cells [mm year-1]; that of
            one seed is its mean absolute error.
        coverage: share of cells whose reference lies between the lowest and the highest seed; NaN of one seed.
        nominal: the share expected if the reference were one more seed: (m - 1) / (m + 1) of m seeds.
        less_default: mean absolute error, mean over seeds, less that of default VIC [mm year-1]; below 0 is better.
        less_low, less_high, less_p: its 95 % interval and p-value by a bootstrap of tiles (``evaluation.compare``);
            NaN with too few tiles.
    """

    crps: float
    coverage: float
    nominal: float
    less_default: float
    less_low: float
    less_high: float
    less_p: float


class Series(NamedTuple):
    """Simulated daily evapotranspiration of one method and seed [mm day-1] [cell, time]."""

    method: str
    seed: int
    daily: np.ndarray


class Years(NamedTuple):
    """Whole years: ``days`` marks them on the time axis [time], ``number`` says how many, ``period`` which, and
    ``calendar`` the month of each of their days, 1..12."""

    days: np.ndarray
    number: int
    period: Period
    calendar: np.ndarray


def whole_years(time: np.ndarray, period: Period) -> Years | None:
    """The whole years a period holds, counted from its first day; ``None`` if it holds none.

    Args:
        time: UTC days (datetime64) [time].
    """
    start = np.datetime64(period.start, "D")
    after = np.datetime64(period.end, "D") + 1
    count = 0
    while _years_later(start, count + 1) <= after:
        count += 1
    if not count:
        return None
    last = _years_later(start, count) - 1
    whole = Period(start=period.start, end=dt.date.fromisoformat(str(last)))
    days = whole.mask(time)
    return Years(days, count, whole, month_of(time[days]))


def annual_total(series: Series, years: Years, holdout: Holdout) -> Annual:
    """Mean annual total of a simulation.

    Raises:
        DataError: if the simulation has the wrong shape or is not finite, naming cell and day.
    """
    holdout.require_simulated(series.daily, f"evapotranspiration of {series.method}, seed {series.seed}")
    evaluated = series.daily[:, years.days]
    total = evaluated.sum(axis=1, dtype=np.float64) / years.number
    months = _by_month(evaluated.astype(np.float64), years.calendar) / years.number
    return Annual("process model", series.method, series.seed, total, np.ones(total.size, dtype=bool), months)


def reference_total(variable: xr.DataArray, years: Years, time: np.ndarray) -> Annual:
    """Annual total of a reference product.

    A climatology ``(cell, month)`` or constant ``(cell)`` says nothing of the years themselves: the comparison is then
    between one or a few years and another time's mean. A series is averaged over the evaluated years: daily on
    ``time``, or monthly on any axis of dates, each of which stands for its calendar month.

    Args:
        variable: dims ``(cell)``, ``(cell, month)``, ``(cell, time)`` or ``(cell, <dates>)``, unit [mm day-1],
            [mm month-1] or [mm year-1] in its attribute ``units``. NaN anywhere in the years masks the cell.
        time: UTC days of the cube (datetime64) [time].

    Raises:
        DataError: if unit or dims are none of these, or the dates do not cover the years.
    """
    name = str(variable.name)
    values = variable.transpose("cell", ...).values.astype(np.float64)
    if variable.ndim == 1:
        values, length, calendar = np.repeat(values[:, None], 12, axis=1), DAYS_OF_MONTH, None
    elif variable.dims[-1] == "month" and values.shape[1] == 12:
        values, length, calendar = values[:, np.argsort(variable["month"].values)], DAYS_OF_MONTH, _CALENDAR
    elif variable.dims[-1] == "time" and values.shape[1] == time.size:
        values, length, calendar = values[:, years.days], np.ones(int(years.days.sum())), years.calendar
    else:
        values, length = _months(variable, values, years)
        calendar = (np.arange(length.size) + years.period.start.month - 1) % 12 + 1
    count = 1 if length is DAYS_OF_MONTH else years.number
    weight = _weights(name, str(variable.attrs.get("units", "")), length)
    known = np.asarray(np.isfinite(values).all(axis=1))
    values = np.where(known[:, None], values, 0.0)
    total = values @ weight / count
    months = None if calendar is None else _by_month(values * weight, calendar) / count
    return Annual("reference", name, -1, total, known, months)


def _by_month(values: Float[np.ndarray, "cell entry"], calendar: np.ndarray) -> Float[np.ndarray, "cell 12"]:
    """Sums of the entries of each calendar month, 1..12."""
    return values @ (calendar[:, None] == _CALENDAR).astype(np.float64)


def budyko(
    precipitation: Float[np.ndarray, " cell"], potential: Float[np.ndarray, " cell"]
) -> Float[np.ndarray, " cell"]:
    """Mean annual evapotranspiration by the Budyko curve, in the unit of its arguments.

    ``E = P √(φ tanh(1/φ) (1 - exp(-φ)))`` with aridity ``φ = PET / P`` (Budyko, M. I. 1974, Climate and Life, Academic
    Press, eq. of chapter VI; it is the geometric mean of the curves of Schreiber 1904 and Ol'dekop 1911). It holds for
    long means without change of storage; over a single year it is a yardstick, no truth.

    Args:
        precipitation: P, not negative; where it is 0, so is E.
        potential: potential evapotranspiration PET, not negative.
    """
    wet = (precipitation > 0) & (potential > 0)
    aridity = np.where(wet, potential, 1.0) / np.where(wet, precipitation, 1.0)
    share = np.sqrt(aridity * np.tanh(1 / aridity) * -np.expm1(-aridity))
    return np.where(wet, precipitation * share, 0.0)


def budyko_total(
    precipitation: Float[np.ndarray, "cell time"], potential: Float[np.ndarray, "cell time"], years: Years
) -> Annual:
    """The Budyko curve of the evaluated years' own climate; both arguments daily [mm day-1]."""
    climate = (x[:, years.days].sum(axis=1, dtype=np.float64) / years.number for x in (precipitation, potential))
    total = budyko(*climate)
    return Annual("curve", BUDYKO, -1, total, np.ones(total.size, dtype=bool))


def judge_evapotranspiration(
    dataset: xr.Dataset,
    series: Iterable[Series],
    potential: Float[np.ndarray, "cell time"],
    holdout: Holdout,
    period: Period,
) -> tuple[xr.Dataset, pd.DataFrame] | None:
    """Annual evapotranspiration: the fields of every row, and the table of their scores against every reference.

    Args:
        dataset: the cube's variables: ``prcp (cell, time)`` [mm day-1] and references, all whose name starts ``et_``.
        series: simulations, read one at a time.
        potential: potential evapotranspiration [mm day-1] for the Budyko curve.
        holdout: cells, and which of them were learned from.
        period: its whole years count.

    Returns:
        Fields as ``field_table`` has them, and a DataFrame with ``SCORE_COLUMNS``; ``None`` without a whole year, and
        the log says so.
    """
    time = dataset["time"].values.astype("datetime64[D]")
    years = whole_years(time, period)
    if years is None:
        logger.warning("evapotranspiration: %s holds no whole year, so no annual total is judged", period)
        return None
    fields = [annual_total(one, years, holdout) for one in series]
    fields.append(budyko_total(dataset["prcp"].values.astype(np.float64), potential, years))
    references = [
        reference_total(dataset[name], years, time)
        for name in sorted(map(str, dataset.data_vars))
        if name.startswith("et_")
    ]
    fields += references
    return field_table(fields, holdout), score_table(fields, references, holdout, years.period)


def field_table(fields: Sequence[Annual], holdout: Holdout) -> xr.Dataset:
    """Annual totals of every cell: ``total (row, cell)`` [mm year-1], NaN where it is not known."""
    totals = np.stack([np.where(f.known, f.total, np.nan) for f in fields])
    meaning = {"long_name": "mean annual evapotranspiration", "units": "mm year-1"}
    names = {name: [getattr(f, name) for f in fields] for name in ("kind", "method")}
    return xr.Dataset(
        {"total": (("row", "cell"), totals, meaning)},
        {
            **holdout.coordinates(),
            **{name: ("row", np.array(values, dtype=object)) for name, values in names.items()},
            "seed": ("row", np.array([f.seed for f in fields])),
        },
        {"Conventions": "CF-1.8", "title": "Annual evapotranspiration of every method and reference"},
    )


def score_table(
    fields: Sequence[Annual], references: Sequence[Annual], holdout: Holdout, period: Period
) -> pd.DataFrame:
    """Scores of every field against every reference but itself, ``SCORE_COLUMNS``.

    Over all, trained and unseen cells. Cells a reference (or the field, where it is itself a reference) lacks are left
    out and counted in ``n_masked``. Fewer than ``MIN_CELLS`` cells, or a reference that is the same in all, have no
    score (NaN).
    """
    groups = {"all": np.ones(len(holdout.cells), dtype=bool), "trained": holdout.trained, "unseen": ~holdout.trained}
    groups = {name: cells for name, cells in groups.items() if cells.any()}
    together = {
        (reference.method, name): _method_scores([f for f in fields if f is not reference], reference, cells, holdout)
        for reference in references
        for name, cells in groups.items()
    }
    rows = []
    for field, reference in itertools.product(fields, references):
        if field is reference:
            continue
        for name, cells in groups.items():
            chosen = cells & field.known & reference.known
            rows.append(
                (
                    *(field.kind, field.method, field.seed, reference.method, name, str(period)),
                    *_scores(field, reference, chosen),
                    int((cells & ~chosen).sum()),
                    *_season(field, reference, chosen),
                    *together[reference.method, name][field.kind, field.method],
                )
            )
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _season(field: Annual, reference: Annual, chosen: Bool[np.ndarray, " cell"]) -> ApartScores:
    """Of the seasonal cycle; NaN where one of the two has no months, PCC where a cycle is flat."""
    if field.months is None or reference.months is None or not chosen.any():
        return ApartScores(np.nan, np.nan)
    one, other = (months[chosen] for months in (field.months, reference.months))
    one, other = (months - months.mean(axis=1, keepdims=True) for months in (one, other))
    found = finish(accumulate(one, other, np.ones(one.shape, dtype=bool)), min_days=12).values
    rmse = float(np.sqrt(((one - other) ** 2).mean(axis=1)).mean())
    varies = np.isfinite(found["pcc"])
    return ApartScores(rmse, float(found["pcc"][varies].mean()) if varies.any() else np.nan)


def _method_scores(
    fields: Sequence[Annual], reference: Annual, cells: Bool[np.ndarray, " cell"], holdout: Holdout
) -> dict[tuple[str, str], MethodScores]:
    """Of every method's seeds together, by kind and name."""
    methods: dict[tuple[str, str], list[Annual]] = {}
    for field in fields:
        methods.setdefault((field.kind, field.method), []).append(field)
    default = next((field for field in fields if field.method == DEFAULT), None)
    block, found = tiles(holdout.lat, holdout.lon, TILE), {}
    for key, seeds in methods.items():
        chosen = cells & reference.known & np.logical_and.reduce([seed.known for seed in seeds])
        if chosen.sum() < MIN_CELLS:
            found[key] = MethodScores(*[np.nan] * len(MethodScores._fields))
            continue
        truth = reference.total[chosen]
        totals = np.stack([seed.total[chosen] for seed in seeds])
        m = len(seeds)
        inside = (totals.min(axis=0) <= truth) & (truth <= totals.max(axis=0))
        less: tuple[float, ...] = (np.nan,) * 4
        if default is not None and key[1] != DEFAULT:
            difference = np.abs(totals - truth).mean(axis=0) - np.abs(default.total[chosen] - truth)
            less = _paired(difference, block[chosen])
        found[key] = MethodScores(
            float(fair_crps(totals, truth).mean()),
            float(inside.mean()) if m > 1 else np.nan,
            (m - 1) / (m + 1) if m > 1 else np.nan,
            *less,
        )
    return found


def _paired(difference: Float[np.ndarray, " cell"], block: np.ndarray) -> tuple[float, ...]:
    """Mean, interval and p-value; the mean alone with too few tiles."""
    used = np.unique(block, return_inverse=True)[1]
    if used.max() + 1 < MIN_BLOCKS:
        return float(difference.mean()), np.nan, np.nan, np.nan
    return tuple(block_bootstrap(difference, used))


def _scores(field: Annual, reference: Annual, chosen: Bool[np.ndarray, " cell"]) -> tuple[float | int, ...]:
    found = finish(accumulate(field.total[None], reference.total[None], chosen[None]), min_days=MIN_CELLS).values
    means = (x.total[chosen].mean() if chosen.any() else np.nan for x in (field, reference))
    return *(float(found[m][0]) for m in ("rmse", "pcc", "nse", "bias")), *means, int(chosen.sum())


def _weights(name: str, unit: str, length: np.ndarray) -> Float[np.ndarray, " step"]:
    """What each entry adds to a total [mm], from its unit and its length [day]."""
    unit = canonical(unit)
    if unit == "mm month-1":
        if (length == 1).all():
            raise DataError(f"{name}: unit 'mm month-1' does not fit a daily series; give mm day-1")
        return np.ones(length.size)
    if unit not in _PER_DAY:
        raise DataError(f"{name}: unknown unit '{unit}' of evapotranspiration; valid: mm day-1, mm month-1, mm year-1")
    return length * _PER_DAY[unit]


def _months(variable: xr.DataArray, values: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
    """The entries [cell, month] of a monthly series in the evaluated years, and their lengths [day]."""
    dim = str(variable.dims[-1])
    dates = variable[dim].values if dim in variable.coords else np.empty(0)
    if variable.ndim != 2 or not np.issubdtype(dates.dtype, np.datetime64):
        raise DataError(
            f"{variable.name}: dims {variable.dims} are none of (cell), (cell, month), (cell, time), (cell, <dates>)"
        )
    start = np.datetime64(years.period.start, "M")
    if years.period.start.day != 1:
        raise DataError(f"{variable.name}: a monthly reference needs years that start with a month, not {years.period}")
    wanted = start + np.arange(12 * years.number)
    found = dates.astype("datetime64[M]")
    if (np.diff(found) <= np.timedelta64(0, "M")).any():
        raise DataError(f"{variable.name}: '{dim}' must hold one date a month, in order")
    missing = ~np.isin(wanted, found)
    if missing.any():
        raise DataError(f"{variable.name}: month {wanted[missing][0]} of {years.period} is missing")
    length = ((wanted + 1).astype("datetime64[D]") - wanted.astype("datetime64[D]")).astype(np.float64)
    return values[:, np.searchsorted(found, wanted)], length


def _years_later(day: np.datetime64, years: int) -> np.datetime64:
    """The same day of a later year; 29 February becomes 1 March."""
    month = day.astype("datetime64[M]")
    offset = day - month.astype("datetime64[D]")
    return (month + 12 * years).astype("datetime64[D]") + offset
