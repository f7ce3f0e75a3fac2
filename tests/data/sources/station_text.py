"""Files of USCRN and ISMN in the published layouts, made of numbers that a test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

DEPTHS = (5, 10, 20, 50, 100)


def write_daily(
    path: Path,
    days: np.ndarray,
    moisture: Mapping[int, np.ndarray],
    temperature: Mapping[int, np.ndarray] | float = 10.0,
    *,
    number: str = "53974",
    place: tuple[float, float] = (39.10, -96.61),
) -> Path:
    """A file of daily01 (28 columns); depths without values are -99."""
    lines = []
    for i, day in enumerate(days):
        sm = [moisture[d][i] if d in moisture else -99.0 for d in DEPTHS]
        warm = temperature if isinstance(temperature, Mapping) else {}
        st = [warm[d][i] if d in warm else (10.0 if isinstance(temperature, Mapping) else temperature) for d in DEPTHS]
        weather = "   11.3    -1.9     4.7     4.2     0.0     9.97 C    14.8    -4.9     2.7    98.8    41.8    74.5"
        lines.append(
            f"{number} {str(day).replace('-', '')}  2.622 {place[1]:7.2f} {place[0]:7.2f} {weather} "
            + " ".join(f"{v:7.3f}" for v in sm)
            + " "
            + " ".join(f"{v:7.1f}" for v in st)
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def write_hourly(path: Path, ends: np.ndarray, moisture: np.ndarray, temperature: np.ndarray) -> Path:
    """A file of hourly02 (38 columns) with moisture at 5 cm; ``ends`` are the ends of the hours in UTC."""
    lines = []
    for end, sm, st in zip(ends, moisture, temperature, strict=True):
        utc = str(end.astype("datetime64[m]"))
        local = str((end - np.timedelta64(6, "h")).astype("datetime64[m]"))
        stamps = " ".join(t[:10].replace("-", "") + " " + t[11:16].replace(":", "") for t in (utc, local))
        weather = "-2.0 -2.1 -1.9 -2.4 0.0 0 0 0 0 0 0 C -3.6 0 -3.4 0 -3.8 0 81 0"
        deep = " ".join(["-99.000"] * 4), " ".join(["-9999.0"] * 4)
        lines.append(f"53974 {stamps} 2.622 -96.61 39.10 {weather} {sm:.3f} {deep[0]} {st:.1f} {deep[1]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_ismn(
    folder: Path,
    times: np.ndarray,
    values: np.ndarray,
    flags: np.ndarray,
    *,
    layout: str = "header",
    station: str = "Prairie",
    depth: tuple[float, float] = (0.05, 0.05),
) -> Path:
    """A sensor of the network ``NET`` in one of the archive's two layouts, with its static variables."""
    where = folder / "NET" / station
    where.mkdir(parents=True, exist_ok=True)
    first, last = (str(t)[:10].replace("-", "") for t in (times[0], times[-1]))
    name = f"NET_NET_{station}_sm_{depth[0]:.6f}_{depth[1]:.6f}_Probe-X_{first}_{last}.stm"
    stamps = [f"{str(t)[:10].replace('-', '/')} {str(t)[11:16]}" for t in times.astype("datetime64[m]")]
    rows = zip(stamps, values, flags, strict=True)
    if layout == "header":
        head = f"NET NET {station} 39.10000 -96.61000 348.00 {depth[0]:.4f} {depth[1]:.4f} Probe-X"
        lines = [head, *(f"{t} {v:9.4f} {f} M" for t, v, f in rows)]
    else:
        about = f"NET NET {station} 39.10000 -96.61000 348.00 {depth[0]:.2f} {depth[1]:.2f}"
        lines = [f"{t} {t} {about} {v:9.4f} {f} M" for t, v, f in rows]
    (where / name).write_text("\n".join(lines) + "\n")
    static = [
        "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name",
        "land cover classification;;;;10;;CCI_landcover_2000",
        "climate classification;;;;Dfa;;koeppen_geiger_2007",
        "sand fraction;% weight;0.00;0.30;21.0;;HWSD",
        "clay fraction;% weight;0.00;0.30;33.0;;HWSD",
    ]
    (where / f"NET_NET_{station}_static_variables.csv").write_text("\n".join(static) + "\n")
    return folder
