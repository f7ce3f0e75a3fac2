"""A miniature world in the text files of VIC's classic driver, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SOIL = (
    "1 {cell} {lat} {lon} 0.2 0.05 9.5 0.8 2 10 11 12 900 800 700 -99 -99 -99 20 60 300 250 0.1 0.3 1.5 8 4 "
    "12 13 14 0.6 0.5 0.4 1500 1500 1600 2685 2685 2685 -7 0.5 0.5 0.5 0.2 0.2 0.2 0.01 0.001 300 0.02 0.02 0.02 1\n"
)
TWELVE = " ".join(f"{i}.5" for i in range(1, 13))
CLASSIC = """
NLAYER 3
NODES 3
MODEL_STEPS_PER_DAY 4
SNOW_STEPS_PER_DAY 4
RUNOFF_STEPS_PER_DAY 24
STARTYEAR 1999
STARTMONTH 12
STARTDAY 31
ENDYEAR 2000
ENDMONTH 1
ENDDAY 2
FULL_ENERGY FALSE
FROZEN_SOIL FALSE
FORCING1 {0}/data_
FORCE_FORMAT ASCII
FORCE_TYPE AIR_TEMP
FORCE_TYPE SKIP # density
FORCE_TYPE PREC
FORCE_TYPE SWDOWN
FORCE_TYPE LWDOWN
FORCE_TYPE PRESSURE
FORCE_TYPE VP
FORCE_TYPE WIND
FORCE_STEPS_PER_DAY 4
FORCEYEAR 1999
FORCEMONTH 12
FORCEDAY 31
GRID_DECIMAL 2
SOIL {0}/soil.txt
VEGLIB {0}/veglib.txt
VEGPARAM {0}/veg.txt
ROOT_ZONES 3
VEGPARAM_LAI TRUE
LAI_SRC FROM_VEGPARAM
SNOW_BAND 2 {0}/bands.txt
RESULT_DIR {0}/out
OUTFILE fluxes
AGGFREQ NDAYS 1
OUT_FORMAT ASCII
OUTVAR OUT_EVAP
OUTVAR OUT_SOIL_MOIST
"""


def make_classic(folder: Path) -> Path:
    """Three cells of a 2 x 2 grid, the third is not run; a cell with bare soil. Returns the global parameter file."""
    places = {11: (40.25, -100.75), 12: (40.75, -100.25), 13: (40.25, -100.25)}
    soil = [SOIL.format(cell=cell, lat=lat, lon=lon) for cell, (lat, lon) in places.items()]
    (folder / "soil.txt").write_text("#a header\n" + soil[0] + soil[1] + "0" + soil[2][1:])
    flat, rough = " ".join(["0.2"] * 12), " ".join(["0.123"] * 12)
    (folder / "veglib.txt").write_text(
        f"#class ...\n4 1 60 200 {TWELVE} {flat} {' '.join(['1.23'] * 12)} {' '.join(['6.7'] * 12)} 50 30 0.5 0.4 0.2 "
        f"Tall trees\n10 0 2 100 {TWELVE} {flat} {rough} {' '.join(['0.67'] * 12)} 2 100 0.5 0.5 0.2 Grass\n"
    )
    leaves = " ".join(["2.25"] * 12)
    (folder / "veg.txt").write_text(
        f"11 2\n 10 0.25 0.1 0.5 1 0.4 0.5 0.1\n {leaves}\n 4 0.5 0.1 0.1 1 0.6 2 0.3\n {TWELVE}\n"
        f"12 1\n 10 1 0.1 0.5 1 0.4 0.5 0.1\n {TWELVE}\n13 1\n 99 1 0.1 0.5 1 0.4 0.5 0.1\n {TWELVE}\n"
    )
    (folder / "bands.txt").write_text("12 1 0 250 0 1 0\n11 0.75 0.25 200 400 0.5 0.5\n")
    generator = np.random.default_rng(0)
    for cell in (11, 12):
        lat, lon = places[cell]
        rows = np.array([[5.0, 1.2, 0.5, 150.0, 300.0, 95.0, 0.6, 2.0]] * 12) * (1 + 0.1 * generator.random((12, 8)))
        np.savetxt(folder / f"data_{lat:.2f}_{lon:.2f}", rows, fmt="%.6f")
    (folder / "global.txt").write_text(CLASSIC.format(folder))
    return folder / "global.txt"
