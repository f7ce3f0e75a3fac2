"""Every value of an input file held against the table of variables, some cells at a time; what it says of each cell."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.cf import beyond_valid, valid_words
from paraformer.core.errors import DataError
from paraformer.core.grid import Words
from paraformer.core.log import Progress
from paraformer.core.physics import saturation_vapour_pressure
from paraformer.core.proof import Place, Proof, numbered, place_of
from paraformer.core.radiation import prove_radiation
from paraformer.core.time import DAYS_PER_YEAR, Period
from paraformer.core.variables import (
    DRY_REGION,
    FORCING,
    MEAN_CLIMATOLOGY,
    MEAN_MOISTURE,
    MEANS,
    REFERENCES,
    UNCERTAINTY,
)
from paraformer.data.packed import overflown
from paraformer.data.places import listed
from paraformer.data.sources.cells import CellsFile

logger = logging.getLogger(__name__)

MIST = 1.2
"""Vapour pressure over that of saturation at the mean temperature, which the mean over a day, fog and saturation over
water instead of ice explain: 1.16 at most in 20 years of NLDAS-2 basins."""
SUPERSATURATED = (1.5, 0.05)
"""Part of saturation, and vapour pressure beside it [kPa], that no air holds: a wrong unit or the values of another
day."""
ZEROS = 0.5
"""Part of a cell's observations that are exactly 0 and no chance: zeros stand for no observation."""
WHOLE_YEAR = 360
"""Days from which on the mean of a cell shows a wrong unit; a season shows itself."""


@dataclass(frozen=True)
class CellValues:
    """What the values of a file say of each cell.

    Attributes:
        means: mean over all days of each forcing, in its unit [cell].
        saturation: mean vapour pressure of saturation [kPa] [cell].
        observed: days with an observation [cell].
        observed_train: the same in the training period [cell].
        observed_test: the same in the test period [cell].
        moisture: mean observation, NaN where there is none [cell].
    """

    means: dict[str, Float[np.ndarray, " cell"]]
    saturation: Float[np.ndarray, " cell"]
    observed: Int[np.ndarray, " cell"]
    observed_train: Int[np.ndarray, " cell"]
    observed_test: Int[np.ndarray, " cell"]
    moisture: Float[np.ndarray, " cell"]

    @classmethod
    def empty(cls, cells: int) -> CellValues:
        """To be filled part by part."""
        means = {name: np.zeros(cells) for name in FORCING}
        observed, train, test = (np.zeros(cells, dtype=np.int64) for _ in range(3))
        return cls(means, np.zeros(cells), observed, train, test, np.full(cells, np.nan))


@dataclass(frozen=True)
class _Part:
    """Some cells of the file that are proved together.

    Attributes:
        position: of the cells in the file, ascending [some].
        at: of the cells among those of the study.
    """

    position: Int[np.ndarray, " some"]
    at: slice


class ValueProof:
    """Proof of all series and references of the cells that a study uses.

    Args:
        file: whose headers are proved.
        position: positions in the file of the cells.
        words: words for a cell of the file by its position.
        observation: name of the observed variable; empty if there is none.
        references: names of the references in the file.
        train, test: days of the two periods [day].
    """

    def __init__(
        self,
        file: CellsFile,
        position: Int[np.ndarray, " cell"],
        words: Words,
        observation: str,
        references: tuple[str, ...],
        periods: tuple[Bool[np.ndarray, " day"], Bool[np.ndarray, " day"]],
    ) -> None:
        self.file, self.position, self.words = file, position, words
        self.observation, self.references = observation, references
        self.train, self.test = periods
        self.proof = Proof(str(file.path))
        self.found = CellValues.empty(len(position))
        self._mist = np.zeros(len(position), dtype=np.int64)
        self._zeros = np.zeros(len(position), dtype=np.int64)

    def run(self, chunk_cells: int, progress: Progress) -> CellValues:
        """Read and prove everything, and log what is odd.

        Raises:
            DataError: the first problems of the first cells that have one.
        """
        size = self.file.together(chunk_cells)
        with progress.task("checking input", len(self.position), unit="cells") as advance:
            for start in range(0, len(self.position), size):
                part = _Part(self.position[start : start + size], slice(start, start + size))
                self._forcing(part)
                if self.observation:
                    self._observations(part)
                    self._errors(part)
                for name in self.references:
                    self._reference(part, name)
                if self.proof.refused:
                    self.proof.finish()
                advance(len(part.position))
        self._cell_means()
        self.proof.finish()
        return self.found

    def _words(self, part: _Part) -> Words:
        return lambda k: self.words(int(part.position[k]))

    def _series(self, part: _Part, name: str, *, may_be_missing: bool) -> Float[np.ndarray, "some day step"]:
        """Proved values of one variable."""
        values = self.file.unrounded(name, part.position)
        used = ~np.isnan(values) if may_be_missing else None
        place = self._moment(part)
        self._masked(part, name, place, values.shape)
        values = self.proof.values(self.file.series_variable(name), values, place, used=used)
        wrong = overflown(self.file, name, part.position)
        if wrong is not None:
            self.proof.require(
                ~wrong.reshape(values.shape),
                lambda i: (
                    f"{name} at {place(i)}: the packed number overflows its type {self.file.variable(name).dtype}; "
                    "expected a scale_factor that the range of the values fits"
                ),
            )
        return values

    def _masked(self, part: _Part, name: str, place: Place, shape: tuple[int, ...]) -> None:
        """Count the values that are missing because the file calls them invalid."""
        attributes = self.file.variable(name).attrs
        if stated := valid_words(attributes):
            stored = self.file.stored(name, part.position).reshape(shape)
            what = f"outside the valid range that the file states ({stated}) taken for missing"
            self.proof.count(beyond_valid(stored, attributes), name, what, lambda i: f"{stored[i]:g} at {place(i)}")

    def _moment(self, part: _Part) -> Place:
        words, file = self._words(part), self.file

        def say(index: tuple[int, ...]) -> str:
            cell, day, step = index
            time = file.days[day].astype("datetime64[m]") + np.timedelta64(1440 // file.steps * step, "m")
            return f"{words(cell)}, {file.days[day] if file.steps == 1 else time}"

        return say

    def _forcing(self, part: _Part) -> None:
        air: dict[str, np.ndarray] = {}
        for name in FORCING:
            values = self._series(part, name, may_be_missing=False)
            with np.errstate(invalid="ignore", over="ignore"):
                self.found.means[name][part.at] = values.mean(axis=(1, 2), dtype=np.float64)
            if name in ("tair", "vp", "swdown", "lwdown"):
                air[name] = values.astype(np.float64)
        if self.proof.refused:
            return
        words, days = self._words(part), self.file.days
        lat = self.file.static("lat")[part.position].astype(np.float64)
        prove_radiation(self.proof, air, lat, days, lambda cell, day: f"{words(cell)}, {days[day]}")
        saturation = saturation_vapour_pressure(air["tair"])
        self.found.saturation[part.at] = saturation.mean(axis=(1, 2))
        self._mist[part.at] = (air["vp"] > MIST * saturation).sum(axis=(1, 2))
        place = self._moment(part)
        self.proof.require(
            air["vp"] <= SUPERSATURATED[0] * saturation + SUPERSATURATED[1],
            lambda i: (
                f"vp at {place(i)}: found {air['vp'][i]:.4g} kPa, expected at most the {saturation[i]:.4g} kPa of "
                f"saturation at {air['tair'][i]:.4g} degC; Pa, hPa, g kg-1 or relative humidity instead of kPa?"
            ),
        )

    def _observations(self, part: _Part) -> None:
        values = self._series(part, self.observation, may_be_missing=True)
        seen = np.isfinite(values)
        place = self._moment(part)
        count = seen.sum(axis=2)
        self.proof.require(
            count <= 1,
            lambda i: (
                f"{self.observation} at {place((*i, 0))}: found {count[i]} observations on one day, expected at most 1 "
                "(AM and PM overpasses mixed?)"
            ),
        )
        days = seen.any(axis=2)
        self.found.observed[part.at] = days.sum(axis=1)
        self.found.observed_train[part.at] = days[:, self.train].sum(axis=1)
        self.found.observed_test[part.at] = days[:, self.test].sum(axis=1)
        self._zeros[part.at] = (values == 0).any(axis=2).sum(axis=1)
        total = np.where(seen, values, 0.0).sum(axis=(1, 2), dtype=np.float64)
        number = seen.sum(axis=(1, 2))
        np.divide(total, number, out=self.found.moisture[part.at], where=number > 0)

    def _errors(self, part: _Part) -> None:
        """Standard errors of the observations, if there are any."""
        name = f"{self.observation}{UNCERTAINTY}"
        if name in self.file.dataset.variables:
            self._series(part, name, may_be_missing=True)

    def _reference(self, part: _Part, name: str) -> None:
        values = self.file.reference(name, part.position)
        known = ~np.isnan(values)
        place = place_of(self._words(part), numbered("month"))
        self.proof.values(REFERENCES[name], values, place, used=known)
        if values.ndim == 2:
            mean = np.where(known, values, 0.0).mean(axis=1)
            self.proof.values(MEAN_CLIMATOLOGY, mean, place, used=known.all(axis=1), name=f"mean month of {name}")

    def _cell_means(self) -> None:
        """What the means of the cells show: units that no single day shows, and air too moist on many days."""
        found, proof = self.found, self.proof
        place = place_of(lambda k: self.words(int(self.position[k])))
        proof.warn(
            self._mist == 0,
            lambda i: (
                f"vp at {place(i)}: above {MIST:g} times saturation on {self._mist[i]} of {self._length} steps; VIC "
                "takes saturation instead"
            ),
        )
        proof.warn(
            self._zeros <= ZEROS * found.observed,
            lambda i: (
                f"{self.observation} at {place(i)}: exactly 0 on {self._zeros[i]} of {found.observed[i]} days with an "
                "observation; expected NaN where there is none"
            ),
        )
        seen = np.isfinite(found.moisture)
        proof.values(MEAN_MOISTURE, found.moisture, place, used=seen, name=f"mean of {self.observation}")
        if len(self.file.days) < WHOLE_YEAR:
            return
        means = found.means | {
            "prcp": found.means["prcp"] * DAYS_PER_YEAR,
            "vp": found.means["vp"] / found.saturation,
        }
        for name, variable in MEANS.items():
            proof.values(variable, means[name], place, name=f"{name}, {variable.long_name}")
        wet = float(means["prcp"].mean())
        if wet < DRY_REGION:
            proof.refused.append(
                f"prcp: found {wet:.2g} mm year-1 in the mean of all cells, expected at least {DRY_REGION:g} mm "
                f"year-1; {MEANS['prcp'].hint}"
            )

    @property
    def _length(self) -> int:
        return len(self.file.days) * self.file.steps


def require_observations(
    file: CellsFile,
    observation: str,
    found: CellValues,
    cells: Int[np.ndarray, " cell"],
    trained: Bool[np.ndarray, " cell"],
    periods: tuple[Period, Period],
) -> None:
    """Raise without any observation to learn from; warn of cells without one, and of none to judge with.

    Raises:
        DataError: no trained cell has an observation in the training period.
    """
    train, test = periods
    if not found.observed_train[trained].any():
        raise DataError(
            f"{file.path}: variable '{observation}' has no observation of a trained cell in the training period {train}"
        )
    blind = trained & (found.observed_train == 0)
    if blind.any():
        logger.warning(
            "%s: '%s' has no observation in the training period %s in %d trained cells: %s",
            file.path,
            observation,
            train,
            int(blind.sum()),
            listed(cells[blind]),
        )
    if not found.observed_test.any():
        logger.warning("%s: '%s' has no observation in the test period %s", file.path, observation, test)
