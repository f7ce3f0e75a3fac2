"""Mutations of netCDF files: variables, units, types, missing values, axes, places, times, and the file itself."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from fuzz.mutant import Mutant, pick

Change = Callable[[xr.Dataset, np.random.Generator], tuple[xr.Dataset, Mutant] | None]
"""Changes a dataset, undecoded; ``None`` where it cannot be changed so."""


def _numeric(dataset: xr.Dataset, rng: np.random.Generator, *, data_only: bool = False) -> str:
    names = dataset.data_vars if data_only else dataset.variables
    return pick(rng, [str(name) for name in names if dataset[name].dtype.kind in "fiu" and dataset[name].size])


def _with(dataset: xr.Dataset, name: str, values: np.ndarray, **attributes: object) -> xr.Dataset:
    old = dataset[name]
    return dataset.drop_vars(name).assign({name: (old.dims, values, {**old.attrs, **attributes})})


def drop_variable(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name = pick(rng, [str(name) for name in dataset.variables])
    return dataset.drop_vars(name), Mutant(f"without {name}", (name,))


def rename_variable(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name = pick(rng, [str(name) for name in dataset.data_vars])
    new = pick(rng, [f"{name}x", name.swapcase(), f" {name}", "trained", "climate_p_mean", "θ"])
    return dataset.rename_vars({name: new}), Mutant(f"{name} is called {new!r}", (name, new.strip()))


def rename_dimension(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    dim = pick(rng, [str(dim) for dim in dataset.sizes])
    new = f"{dim}s"
    return dataset.rename_dims({dim: new}), Mutant(f"dimension {dim} is called {new}", (dim, new))


def change_unit(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name = _numeric(dataset, rng)
    unit = pick(rng, [None, "", "banana", "K", "mm", "%", "1", "m s-1", "mm day^-1", 7])
    attributes = {key: value for key, value in dataset[name].attrs.items() if key != "units"}
    if unit is not None:
        attributes["units"] = unit
    dataset[name].attrs = attributes
    return dataset, Mutant(f"units of {name} are {unit!r}", (name,))


def scale(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name, factor = _numeric(dataset, rng), pick(rng, [10.0, 100.0, 1000.0, 0.1, 1e-3, 86400.0, -1.0, 0.0, 1e300])
    values = dataset[name].values.astype(np.float64) * factor
    return _with(dataset, name, values), Mutant(f"{name} times {factor:g}", (name,))


def spoil_values(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name = _numeric(dataset, rng)
    bad = pick(rng, [np.nan, np.inf, -np.inf, -9999.0, 1e20, -1.0, 0.0, 0.5, 1e-300])
    values = dataset[name].values.astype(np.float64)
    share = pick(rng, [0.0, 0.0, 0.2, 1.0])
    where = rng.random(values.shape) < share
    where.flat[int(rng.integers(where.size))] = True
    return _with(dataset, name, np.where(where, bad, values)), Mutant(
        f"{name} is {bad} in {where.sum()} places", (name,)
    )


def declare_missing(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    """An attribute that makes some values missing, as CF has it."""
    name = _numeric(dataset, rng)
    values = dataset[name].values
    value = values.flat[int(rng.integers(values.size))]
    key = pick(rng, ["_FillValue", "missing_value", "valid_max", "valid_min", "valid_range"])
    given = np.array([value, value]) if key == "valid_range" else value
    return _with(dataset, name, values, **{key: given}), Mutant(f"{key} of {name} is {value}", (name,))


def change_type(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name, kind = _numeric(dataset, rng), pick(rng, ["f4", "i2", "i8", "u1", "str", "S8"])
    values = dataset[name].values
    if kind in ("str", "S8"):
        changed = values.astype("U24" if kind == "str" else "S8")
    else:
        with np.errstate(all="ignore"):
            changed = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(kind)
    return _with(dataset, name, changed), Mutant(f"{name} is stored as {kind}", (name,))


def pack(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name, factor = _numeric(dataset, rng, data_only=True), pick(rng, [0.0, 1e-4, 1e-4, np.nan, -1e-4])
    values = dataset[name].values.astype(np.float64)
    packed = np.nan_to_num(values / (factor or 1.0), nan=-9999, posinf=0, neginf=0)
    whole = np.clip(np.round(packed), -(2**31), 2**31 - 1).astype("i4")
    changed = _with(dataset, name, whole, scale_factor=factor, add_offset=0.0, _FillValue=np.int32(-9999))
    return changed, Mutant(f"{name} packed by {factor}", (name,))


def drop_values(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant] | None:
    """Axes that are one too short, or one too long."""
    dim = pick(rng, [str(dim) for dim, size in dataset.sizes.items() if size > 1])
    size = dataset.sizes[dim]
    index = pick(rng, [np.arange(size - 1), np.arange(1, size), np.append(np.arange(size), size - 1), np.arange(1)])
    return dataset.isel({dim: index}), Mutant(f"{dim} has {len(index)} instead of {size}", (dim, *_along(dataset, dim)))


def _along(dataset: xr.Dataset, dim: str) -> tuple[str, ...]:
    return tuple(str(name) for name in dataset.variables if dim in dataset[name].dims)


def add_dimension(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    name, size = pick(rng, [str(name) for name in dataset.data_vars]), pick(rng, [1, 2])
    old = dataset[name]
    values = np.repeat(old.values[None], size, axis=0)
    changed = dataset.drop_vars(name).assign({name: (("more", *old.dims), values, old.attrs)})
    return changed, Mutant(f"{name} has a dimension 'more' of {size}", (name, "more"))


def transpose(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant] | None:
    several = [str(name) for name in dataset.data_vars if dataset[name].ndim > 1]
    if not several:
        return None
    name = pick(rng, several)
    dims = dataset[name].dims[::-1]
    return dataset.assign({name: dataset[name].transpose(*dims)}), Mutant(f"{name} has dims {dims}", (name,), "all")


def reorder(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    """An axis in another order, everything along it too, so that nothing is wrong where a coordinate says the order."""
    dim = pick(rng, [str(dim) for dim, size in dataset.sizes.items() if size > 1])
    size = dataset.sizes[dim]
    order = np.arange(size)[::-1] if rng.random() < 0.5 else rng.permutation(size)
    told = dim in dataset.variables or dim in ("x", "cell")  # places tell the order of cells
    same = "" if not told else "prior" if dim == "cell" else "all"
    valid = dim in ("x", "cell")
    text = f"{dim} in the order {order.tolist() if size < 20 else 'of a permutation'}"
    return dataset.isel({dim: order}), Mutant(text, (dim, *_along(dataset, dim)), same, valid)  # type: ignore[arg-type]


def roll_one(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant]:
    """Values moved along an axis, coordinates left behind: nobody can see it, and it must not crash."""
    name = _numeric(dataset, rng, data_only=True)
    values = dataset[name].values
    return _with(dataset, name, np.roll(values, 1, axis=-1)), Mutant(f"{name} rolled by one", (name,))


def move_places(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant] | None:
    if "lat" not in dataset.variables:
        return None
    name = pick(rng, ["lat", "lon"])
    values = dataset[name].values.astype(np.float64)
    kind = pick(rng, ["360", "little", "spacing", "nan", "one", "twin", "swap", "radians"])
    if kind == "360":
        changed = _with(dataset, "lon", dataset["lon"].values % 360.0)
        return changed, Mutant("longitudes from 0 to 360", ("lon",), "all", valid=True)
    if kind == "swap":
        lat, lon = dataset["lat"].values, dataset["lon"].values
        if lat.shape != lon.shape:
            return None
        return _with(_with(dataset, "lat", lon), "lon", lat), Mutant("lat and lon swapped", ("lat", "lon"))
    if kind == "little":
        return _with(dataset, name, values + 1e-5), Mutant(f"{name} moved by 1e-5", (name,), "all")
    at = int(rng.integers(values.size))
    if kind == "spacing":
        values = values + pick(rng, [0.05, 0.5, 1.4, 100.0])
    elif kind == "radians":
        values = np.deg2rad(values)
    elif kind == "twin":
        for each in ("lat", "lon"):
            changed = dataset[each].values.copy()
            changed.flat[at] = changed.flat[0 if at else -1]
            dataset = _with(dataset, each, changed)
        return dataset, Mutant("two cells at one place", ("lat", "lon", "cell"))
    else:
        values.flat[at] = np.nan if kind == "nan" else values.flat[at] + 0.3
    return _with(dataset, name, values), Mutant(f"{name}: {kind}", (name,))


def spoil_time(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant] | None:
    if "time" not in dataset.variables:
        return None
    values, attributes = dataset["time"].values.astype(np.float64), dict(dataset["time"].attrs)
    at, last = int(rng.integers(1, len(values))), len(values) - 1
    kind = pick(
        rng, ["twice", "swap", "gap", "jitter", "half", "nan", "calendar", "units", "zone", "unordered", "huge"]
    )
    if kind == "twice":
        values[at] = values[at - 1]
    elif kind == "swap":
        values[[at - 1, at]] = values[[at, at - 1]]
    elif kind == "gap":
        keep = np.delete(np.arange(len(values)), min(at, last - 1))
        return dataset.isel(time=keep), Mutant(f"day {at} left out", ("time",))
    elif kind == "jitter":
        values += rng.uniform(-0.01, 0.01, len(values))
    elif kind == "half":
        values += 0.5
    elif kind == "nan":
        values[at] = np.nan
    elif kind == "calendar":
        attributes["calendar"] = pick(rng, ["noleap", "360_day", "julian", "mars"])
    elif kind == "units":
        since = str(attributes.get("units", "days since 2015-04-01")).partition(" since ")[2]
        attributes["units"] = pick(
            rng, [f"seconds since {since}", f"months since {since}", "days", "days since 2015-13-01"]
        )
    elif kind == "zone":
        attributes["units"] = f"{attributes.get('units')} {pick(rng, ['+02:00', 'EST', 'UTC', 'Z'])}"
    elif kind == "unordered":
        values = rng.permutation(values)
    else:
        values[last] = pick(rng, [1e9, 1e18, np.inf])
    changed = dataset.drop_vars("time").assign_coords(time=("time", values, attributes))
    return changed, Mutant(f"time: {kind}", ("time",))


def spoil_cells(dataset: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, Mutant] | None:
    if "cell" not in dataset.variables:
        return None
    values = dataset["cell"].values
    kind = pick(rng, ["twice", "float", "half", "negative", "text", "huge"])
    if kind == "twice":
        values = np.where(np.arange(len(values)) == 1, values[0], values)
    elif kind in ("float", "half"):
        values = values + (0.5 if kind == "half" else 0.0)
    elif kind == "negative":
        values = -values - 1
    elif kind == "text":
        values = values.astype("U8")
    else:
        values = values + 2**60
    changed = dataset.drop_vars("cell").assign_coords(cell=("cell", values, dict(dataset["cell"].attrs)))
    return changed, Mutant(f"identifiers: {kind}", ("cell",))


CHANGES: dict[str, Change] = {
    change.__name__: change
    for change in (
        drop_variable,
        rename_variable,
        rename_dimension,
        change_unit,
        scale,
        spoil_values,
        declare_missing,
        change_type,
        pack,
        drop_values,
        add_dimension,
        transpose,
        reorder,
        roll_one,
        move_places,
        spoil_time,
        spoil_cells,
    )
}
_OFTEN = ("spoil_values", "scale", "reorder", "move_places", "drop_values")


def _cut(path: Path, rng: np.random.Generator) -> Mutant:
    content = path.read_bytes()
    path.write_bytes(content[: int(rng.integers(len(content)))])
    return Mutant(f"cut to {path.stat().st_size} of {len(content)} bytes", ())


def _garble(path: Path, rng: np.random.Generator) -> Mutant:
    content = bytearray(path.read_bytes())
    end = min(len(content), pick(rng, [64, 2048, len(content)]))
    places = rng.integers(0, end, size=pick(rng, [1, 8, 64]))
    for place in places:
        content[place] = int(rng.integers(256))
    path.write_bytes(bytes(content))
    return Mutant(f"{len(places)} bytes of the first {end} changed", ())


def _replace(path: Path, rng: np.random.Generator) -> Mutant:
    kind = pick(rng, ["nothing", "empty", "text", "folder", "loop", "dangling", "fifo", "compressed"])
    content = path.read_bytes()
    path.unlink()
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("<html><body>401 Unauthorized</body></html>\n")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("elsewhere.nc")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "compressed":
        path.write_bytes(b"\x1f\x8b\x08\x00" + content)
    return Mutant(f"the file is replaced by: {kind}", ())


def _rewrite(path: Path, rng: np.random.Generator) -> Mutant:
    kind = pick(rng, ["NETCDF3_64BIT", "NETCDF3_CLASSIC", "NETCDF4_CLASSIC"])
    dataset = read(path)
    for name in dataset.variables:
        if dataset[name].dtype.kind in "US":
            return Mutant("nothing", (), "all", valid=True)  # labels need netCDF-4
    _write(dataset, path, kind)
    return Mutant(f"stored as {kind}", (), "all", valid=True)


FILES: dict[str, Callable[[Path, np.random.Generator], Mutant]] = {
    "cut": _cut,
    "garble": _garble,
    "replace": _replace,
    "rewrite": _rewrite,
}


def read(path: Path) -> xr.Dataset:
    """The file as it is: nothing decoded."""
    return xr.load_dataset(path, decode_cf=False, engine="netcdf4")


def _write(dataset: xr.Dataset, path: Path, format: str = "NETCDF4") -> None:
    for name in dataset.variables:
        dataset[name].encoding = {}
    temporary = path.with_name("mutant.nc")
    with np.errstate(invalid="ignore"):  # a fill value that the type cannot hold is a mutation, too
        dataset.to_netcdf(temporary, engine="netcdf4", format=format)  # type: ignore[call-overload]
    shutil.move(temporary, path)


def mutate_file(path: Path, rng: np.random.Generator) -> Mutant:
    """Change one netCDF file in place."""
    if rng.random() < 0.15:
        name = pick(rng, list(FILES))
        mutant = FILES[name](path, rng)
    else:
        for _ in range(50):
            name = pick(rng, [*CHANGES, *_OFTEN])
            dataset = read(path)
            try:
                changed = CHANGES[name](dataset, rng)
                if changed is None:
                    continue
                _write(changed[0], path)
            except Exception:  # not every change can be stored
                continue
            mutant = changed[1]
            break
    return dataclasses.replace(mutant, text=f"{path.name}: {name}: {mutant.text}", names=(path.name, *mutant.names))
