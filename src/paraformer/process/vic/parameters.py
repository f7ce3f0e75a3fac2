"""Parameters of the cells, as VIC-5 names them, and θ: the parameters a study may change in each cell and set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.vic_variables import VIC_PARAMETERS
from paraformer.process.vic.constants import LAPSE_RATE, MINIMUM_CANOPY_FRACTION, MM_PER_M

MOST_ROOT_ZONES = 6
MOST_OPEN_CANOPY = 0.01  # canopy fraction a gap multiplier leaves where plants grow [1]


class CellParameters(NamedTuple):
    """A-priori parameters, in the units of VIC-5 parameter files. One cell holds tiles (vegetation classes with Cv > 0)
    and snow bands; unused tile positions have ``tile_class`` -1 and Cv 0, unused bands AreaFract 0."""

    cell: Int[np.ndarray, " cell"]  # identifier, for messages
    lat: Float[np.ndarray, " cell"]  # latitude [degrees north]; its sign sets the melt season
    # soil
    infilt: Float[np.ndarray, " cell"]  # shape of the infiltration curve [1]
    ds: Float[np.ndarray, " cell"]  # fraction of Dsmax where non-linear baseflow begins [1]
    dsmax: Float[np.ndarray, " cell"]  # maximum baseflow [mm day-1]
    ws: Float[np.ndarray, " cell"]  # fraction of maximum moisture where non-linear baseflow begins [1]
    c: Float[np.ndarray, " cell"]  # exponent of the baseflow curve [1]
    elev: Float[np.ndarray, " cell"]  # [m]
    avg_t: Float[np.ndarray, " cell"]  # mean soil temperature at depth dp [degC]
    dp: Float[np.ndarray, " cell"]  # thermal damping depth [m]
    rough: Float[np.ndarray, " cell"]  # roughness of bare soil [m]
    snow_rough: Float[np.ndarray, " cell"]  # roughness of snow [m]
    expt: Float[np.ndarray, "cell layer"]  # Brooks-Corey exponent [1]
    ksat: Float[np.ndarray, "cell layer"]  # saturated hydraulic conductivity [mm day-1]
    depth: Float[np.ndarray, "cell layer"]  # [m]
    bulk_density: Float[np.ndarray, "cell layer"]  # [kg m-3]
    soil_density: Float[np.ndarray, "cell layer"]  # of the particles [kg m-3]
    quartz: Float[np.ndarray, "cell layer"]  # [1]
    wcr_fract: Float[np.ndarray, "cell layer"]  # critical point, of maximum moisture [1]
    wpwp_fract: Float[np.ndarray, "cell layer"]  # wilting point, of maximum moisture [1]
    resid_moist: Float[np.ndarray, "cell layer"]  # residual moisture, of the depth [1]
    init_moist: Float[np.ndarray, "cell layer"]  # [mm]
    # snow bands
    area_fract: Float[np.ndarray, "cell band"]  # [1]
    elevation: Float[np.ndarray, "cell band"]  # [m]
    pfactor: Float[np.ndarray, "cell band"]  # part of the cell's precipitation that falls in the band [1]
    # vegetation
    tile_class: Int[np.ndarray, "cell tile"]  # position of the class in the parameter file, -1 = no tile
    bare: Bool[np.ndarray, "cell tile"]  # the bare-soil tile (not counted in Nveg)
    cv: Float[np.ndarray, "cell tile"]  # [1]
    overstory: Bool[np.ndarray, "cell tile"]
    rarc: Float[np.ndarray, "cell tile"]  # architectural resistance [s m-1]
    rmin: Float[np.ndarray, "cell tile"]  # minimum stomatal resistance [s m-1]
    rgl: Float[np.ndarray, "cell tile"]  # short-wave radiation that halves the resistance [W m-2]
    rad_atten: Float[np.ndarray, "cell tile"]
    wind_atten: Float[np.ndarray, "cell tile"]
    trunk_ratio: Float[np.ndarray, "cell tile"]
    wind_h: Float[np.ndarray, "cell tile"]  # height of the wind measurement [m]
    root_depth: Float[np.ndarray, "cell tile zone"]  # thickness of root zones [m]
    root_fract: Float[np.ndarray, "cell tile zone"]
    lai: Float[np.ndarray, "cell tile month"]
    fcanopy: Float[np.ndarray, "cell tile month"]
    albedo: Float[np.ndarray, "cell tile month"]
    veg_rough: Float[np.ndarray, "cell tile month"]  # roughness length [m]
    displacement: Float[np.ndarray, "cell tile month"]  # displacement height [m]

    @property
    def n_cell(self) -> int:
        return len(self.infilt)

    @property
    def n_tile(self) -> int:
        return self.cv.shape[1]

    @property
    def n_band(self) -> int:
        return self.area_fract.shape[1]

    @property
    def n_column(self) -> int:
        return self.n_tile * self.n_band

    def select(self, cells: np.ndarray | Sequence[int]) -> CellParameters:
        """The same parameters for a subset (or repetition) of the cells, by position."""
        return CellParameters(*(field[np.asarray(cells)] for field in self))

    def band_area(self) -> Float[np.ndarray, "cell band"]:
        """Area fractions, divided by their sum where it is not exactly 1."""
        total = self.area_fract.sum(axis=1, keepdims=True)
        return np.where(total == 1.0, self.area_fract, self.area_fract / total)

    def mean_elevation(self) -> Float[np.ndarray, " cell"]:
        """Cell elevation: the area-weighted mean of the bands (VIC-5 image driver, whatever ``elev`` says) [m]."""
        if self.n_band == 1:
            return self.elevation[:, 0]
        mean = np.zeros(self.n_cell)
        area = self.band_area()
        for band in range(self.n_band):
            mean += self.elevation[:, band] * area[:, band]
        return mean

    def band_temperature_offset(self) -> Float[np.ndarray, "cell band"]:
        """Air temperature of a band less that of the cell [K]."""
        return np.where(self.area_fract > 0, (self.elevation - self.mean_elevation()[:, None]) * LAPSE_RATE, 0.0)

    def band_precipitation_factor(self) -> Float[np.ndarray, "cell band"]:
        """Precipitation of a band over that of the cell [1]."""
        total = self.pfactor.sum(axis=1, keepdims=True)
        share = np.where(total == 1.0, self.pfactor, self.pfactor / total)
        area = self.band_area()
        return np.divide(share, area, out=np.zeros_like(share), where=area > 0)

    def column_temperature_offset(self) -> Float[np.ndarray, "cell column"]:
        """``band_temperature_offset`` repeated for the tiles [K]."""
        return np.tile(self.band_temperature_offset(), (1, self.n_tile))

    def column_weight(self) -> Float[np.ndarray, "cell column"]:
        """Area of each column as a fraction of the cell."""
        total = self.cv.sum(axis=1, keepdims=True)
        cover = np.where(total == 1.0, self.cv, self.cv / total)
        return (cover[:, :, None] * self.band_area()[:, None, :]).reshape(self.n_cell, self.n_column)


CALIBRATED = np.dtype(
    [
        (name, np.float64)
        for name in (
            "infilt",
            "ds",
            "dsmax",
            "ws",
            "c",
            "expt_1",
            "expt_2",
            "expt_3",
            "depth_1",
            "depth_2",
            "depth_3",
            "ksat_factor",
            "wcr_factor",
            "canopy_gap_factor",
        )
    ]
)
"""Everything θ can change, one record a cell and set."""

THETA: dict[str, tuple[str, ...]] = {
    "infilt": ("infilt",),
    "ds": ("ds",),
    "dsmax": ("dsmax",),
    "ws": ("ws",),
    "c": ("c",),
    "expt": ("expt_1", "expt_2", "expt_3"),
    "expt_1": ("expt_1",),
    "expt_2": ("expt_2",),
    "expt_3": ("expt_3",),
    "depth_1": ("depth_1",),
    "depth_2": ("depth_2",),
    "depth_3": ("depth_3",),
    "ksat": ("ksat_factor",),
    "wcr": ("wcr_factor",),
    "canopy_gap": ("canopy_gap_factor",),
}
"""Parameter name -> fields of ``CALIBRATED`` it sets. ``ksat`` multiplies the a-priori values of all layers; ``wcr``
multiplies the moisture between wilting and critical point of all layers (``critical_point``); ``canopy_gap``
multiplies the bare fraction between plants, 1 - fcanopy (which stays below 0.99 where plants grow)."""


def _limits(name: str) -> tuple[float, float, str]:
    variable = VIC_PARAMETERS[name]
    return (*variable.valid, "" if variable.unit == "1" else f" {variable.unit}")


LIMITS: dict[str, tuple[float, float, str]] = {
    **{name: _limits(name) for name in ("infilt", "c")},
    **{name.lower(): _limits(name) for name in ("Ds", "Dsmax", "Ws")},
    **{f"{name}_{layer}": _limits(name) for name in ("expt", "depth") for layer in (1, 2, 3)},
    **dict.fromkeys(("ksat_factor", "wcr_factor"), (1e-6, 1e6, "")),
    "canopy_gap_factor": (0.0, 1e6, ""),
}
"""Closed range and unit of every field of ``CALIBRATED``."""


def a_priori(parameters: CellParameters, names: Sequence[str]) -> Float[np.ndarray, "cell parameter"]:
    """A-priori values of parameters in physical units; 1 for multipliers, the mean where a name sets several layers.

    Raises:
        SettingsError: unknown or repeated name.
    """
    calibrated = apply_theta(parameters, None, ())[:, 0]
    require_known(names)
    columns = [np.mean([calibrated[field] for field in THETA[name]], axis=0) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((parameters.n_cell, 0))


def apply_theta(
    parameters: CellParameters, theta: Float[np.ndarray, "cell set parameter"] | None, names: Sequence[str]
) -> np.ndarray:
    """A-priori values of everything θ can change, overridden by θ.

    Args:
        parameters: a-priori parameters.
        theta: physical values, or ``None`` for one set of a-priori values.
        names: names of θ's last axis, keys of ``THETA``.

    Returns:
        Records of dtype ``CALIBRATED`` [cell, set].

    Raises:
        SettingsError: unknown or repeated name.
        DataError: wrong shape or unphysical value, naming cell, set and parameter.
    """
    require_known(names)
    if theta is not None:
        theta = np.asarray(theta, dtype=np.float64)
        if theta.ndim != 3 or theta.shape[0] != parameters.n_cell or theta.shape[2] != len(names):
            raise DataError(
                f"theta has shape {theta.shape}; expected [cell={parameters.n_cell}, set, parameter={len(names)}]"
            )
    calibrated = np.empty((parameters.n_cell, 1 if theta is None else theta.shape[1]), dtype=CALIBRATED)
    for name in ("infilt", "ds", "dsmax", "ws", "c"):
        calibrated[name] = getattr(parameters, name)[:, None]
    for layer in range(3):
        calibrated[f"expt_{layer + 1}"] = parameters.expt[:, None, layer]
        calibrated[f"depth_{layer + 1}"] = parameters.depth[:, None, layer]
    for name in ("ksat_factor", "wcr_factor", "canopy_gap_factor"):
        calibrated[name] = 1.0
    if theta is not None:
        for position, name in enumerate(names):
            for field in THETA[name]:
                calibrated[field] = theta[:, :, position]
    _require_physical(parameters, calibrated)
    return calibrated


def require_known(names: Sequence[str]) -> None:
    """Raise SettingsError for the first name that is not VIC's, or sets what another one sets."""
    set_by: dict[str, str] = {}
    for name in names:
        if name not in THETA:
            raise SettingsError(f"unknown VIC parameter '{name}'{nearest(name, THETA)}")
        for field in THETA[name]:
            if field in set_by:
                raise SettingsError(f"VIC parameters '{set_by[field]}' and '{name}' both set {field}")
            set_by[field] = name


def _require_physical(parameters: CellParameters, calibrated: np.ndarray) -> None:
    """Raise DataError for the first value that no soil can have."""
    for name, (low, high, unit) in LIMITS.items():
        value = calibrated[name]
        _refuse(parameters, ~((value >= low) & (value <= high)), name, value, f"expected {low:g} to {high:g}{unit}")
    _refuse(
        parameters,
        calibrated["depth_1"] > calibrated["depth_2"],
        "depth_1",
        calibrated["depth_1"],
        "expected at most depth_2",
    )
    for layer in range(3):
        wcr, wpwp = parameters.wcr_fract[:, None, layer], parameters.wpwp_fract[:, None, layer]
        factor = calibrated["wcr_factor"]
        _refuse(
            parameters,
            critical_point(wcr, wpwp, factor) > 1.0,
            "wcr",
            factor,
            f"which puts the critical point of layer {layer + 1} above saturation",
        )


def _refuse(parameters: CellParameters, bad: np.ndarray, name: str, value: np.ndarray, reason: str) -> None:
    if bad.any():
        cell, member = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"cell {parameters.cell[cell]}, set {member}: {name} = {value[cell, member]:g}, {reason} "
            f"({int(bad.sum())} such values)"
        )


def critical_point(critical: np.ndarray, wilting: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Critical point, of maximum moisture [1], ``factor`` times as far above the wilting point as it was.

    A multiplier of the critical point itself would put it below the wilting point of clay soils.
    """
    return critical + (factor - 1.0) * (critical - wilting)


def canopy_with_gaps(fraction: np.ndarray, gap_factor: np.ndarray) -> np.ndarray:
    """Canopy fraction whose gaps, 1 - fraction, are ``gap_factor`` times as large.

    Where plants grow some canopy stays (``MOST_OPEN_CANOPY``), so that no multiplier turns a cell into bare soil; a
    fraction that is bare for VIC-5 (below 1e-4) stays as it is.
    """
    opened = np.maximum(1.0 - gap_factor * (1.0 - fraction), np.minimum(MOST_OPEN_CANOPY, fraction))
    return np.where((fraction < MINIMUM_CANOPY_FRACTION) | (gap_factor == 1.0), fraction, opened)


def column_moisture_capacity(parameters: CellParameters) -> Float[np.ndarray, "cell layer"]:
    """Maximum moisture of the a-priori layers [mm]: depth times porosity."""
    porosity = 1.0 - parameters.bulk_density / parameters.soil_density
    return parameters.depth * porosity * MM_PER_M


def residual_fraction(parameters: CellParameters) -> Float[np.ndarray, "cell layer"]:
    """Residual moisture as a fraction of depth; VIC's -99999 means 0."""
    return np.where(parameters.resid_moist == -99999.0, 0.0, parameters.resid_moist)
