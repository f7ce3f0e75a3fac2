"""Miniature cells and weather for tests of VIC: every kind of vegetation, every extreme."""

from __future__ import annotations

from typing import Any

import numpy as np

from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters

STEPS = 8


def make_parameters(n_cell: int = 2, *, partial_canopy: bool = True, seasonal_leaves: bool = True) -> CellParameters:
    """Cells with three tiles (forest, grass, bare soil) in two bands, textures from sand to clay."""
    n_tile, fraction = 3, np.linspace(0.0, 1.0, n_cell)

    def soil(low: float, high: float) -> np.ndarray:
        return low + (high - low) * fraction

    def layers(*values: float) -> np.ndarray:
        return np.tile(values, (n_cell, 1)).astype(np.float64)

    def tiles(*values: float) -> np.ndarray:
        return np.tile(values, (n_cell, 1)).astype(np.float64)

    def months(*values: Any) -> np.ndarray:
        rows = [np.broadcast_to(np.asarray(v, dtype=np.float64), 12) for v in values]
        return np.tile(np.stack(rows), (n_cell, 1, 1))

    season = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(12) + 0.5) / 12)
    grass = 3.0 * season * (season > 0.2) if seasonal_leaves else 1.0 + season
    gap = 0.3 if partial_canopy else 0.0
    return CellParameters(
        cell=np.arange(n_cell) + 100,
        lat=soil(-40.0, 60.0),
        infilt=soil(0.05, 0.4),
        ds=soil(0.01, 0.3),
        dsmax=soil(2.0, 20.0),
        ws=soil(0.6, 0.95),
        c=soil(2.0, 2.0),
        elev=soil(100.0, 2500.0),
        avg_t=soil(15.0, 2.0),
        dp=soil(4.0, 4.0),
        rough=soil(0.001, 0.01),
        snow_rough=soil(0.0005, 0.001),
        expt=layers(1, 1, 1) * soil(9.0, 20.0)[:, None],
        ksat=layers(1, 1, 1) * soil(2000.0, 50.0)[:, None],
        depth=layers(0.1, 0.3, 1.5),
        bulk_density=layers(1500.0, 1500.0, 1600.0),
        soil_density=layers(2685.0, 2685.0, 2685.0),
        quartz=layers(0.4, 0.4, 0.1),
        wcr_fract=layers(0.5, 0.5, 0.5),
        wpwp_fract=layers(0.2, 0.2, 0.2),
        resid_moist=layers(0.02, 0.02, 0.02),
        init_moist=layers(20.0, 60.0, 300.0),
        area_fract=np.tile([0.6, 0.4], (n_cell, 1)),
        elevation=soil(100.0, 2500.0)[:, None] + np.array([-80.0, 120.0]),
        pfactor=np.tile([0.5, 0.5], (n_cell, 1)),
        tile_class=np.tile(np.arange(n_tile), (n_cell, 1)),
        bare=np.tile([False, False, True], (n_cell, 1)),
        cv=tiles(0.4, 0.4, 0.2),
        overstory=tiles(1, 0, 0).astype(bool),
        rarc=tiles(50, 2, 100),
        rmin=tiles(150, 100, 0),
        rgl=tiles(30, 100, 0),
        rad_atten=tiles(0.5, 0.5, 0),
        wind_atten=tiles(0.5, 0.5, 0),
        trunk_ratio=tiles(0.2, 0.2, 0),
        wind_h=tiles(30, 2, 2),
        root_depth=np.tile([[0.1, 1.0, 2.0], [0.1, 0.5, 0.5], [0.0, 0.0, 0.0]], (n_cell, 1, 1)),
        root_fract=np.tile([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2], [0.0, 0.0, 0.0]], (n_cell, 1, 1)),
        lai=months(2.0 + 3.0 * season, grass, 0.0),
        fcanopy=months(1 - 0.5 * gap, 1 - gap, 0.0),
        albedo=months(0.12, 0.2, 0.2),
        veg_rough=months(1.5, 0.05, 0.0),
        displacement=months(8.0, 0.3, 0.0),
    )


def make_forcing(
    n_cell: int = 2,
    n_day: int = 40,
    *,
    seed: int = 0,
    temperature: float = 5.0,
    swing: float = 10.0,
    rain: float = 4.0,
    wind: float = 3.0,
    sun: float = 200.0,
    humidity: float = 0.7,
    first_day: int = 60,
) -> Forcing:
    """Random weather about the given means; ``first_day`` is a day of year."""
    generator = np.random.default_rng(seed)
    shape = (n_cell, n_day * STEPS)
    phase = 2 * np.pi * (np.arange(n_day * STEPS) + 0.5) / STEPS
    weather = np.repeat(generator.normal(size=(n_cell, n_day)), STEPS, axis=1)
    tair = np.clip(temperature + swing * (0.3 * weather - 0.5 * np.cos(phase)), -89.0, 59.0)
    wet = np.repeat(generator.random((n_cell, n_day)) < 0.4, STEPS, axis=1)
    day = (first_day + np.arange(n_day) - 1) % 365
    saturation = 0.61078 * np.exp(17.269 * tair / (237.3 + tair))
    return Forcing(
        prcp=wet * generator.exponential(rain / STEPS / 0.4, shape) if rain else np.zeros(shape),
        tair=tair,
        swdown=np.tile(2.0 * sun * np.maximum(-np.cos(phase), 0.0), (n_cell, 1)),
        lwdown=np.clip(0.8 * 5.67e-8 * (tair + 273.15) ** 4, 40.0, 600.0),
        wind=np.full(shape, wind) * (0.5 + generator.random(shape)),
        vp=np.clip(humidity * saturation * (0.7 + 0.6 * generator.random(shape)), 0.0, 8.0),
        pres=np.full(shape, 95.0),
        month=day // 31 + 1,
        day_of_year=day + 1,
    )
