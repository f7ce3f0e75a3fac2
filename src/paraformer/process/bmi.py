"""VIC behind the Basic Model Interface of CSDMS, stepping day by day with its state kept (extra ``bmi``).

    model = VICBmi()
    model.initialize("model.yaml")          # or a VIC-5 global parameter file
    while model.get_current_time() < model.get_end_time():
        model.set_value("atmosphere_water__precipitation_leq-volume_flux", rain)  # optional: another model's weather
        model.update()
        model.get_value("land_surface_water__runoff_volume_flux", runoff)

Hutton, Piper & Tucker (2020), J. Open Source Softw. 5, 2317; https://bmi.csdms.io. Names: CSDMS Standard Names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, ModelError, nearest
from paraformer.process.bmi_setup import World, read_world
from paraformer.process.vic.constants import MM_PER_M
from paraformer.process.vic.forcing import SERIES, Forcing
from paraformer.process.vic.parameters import column_moisture_capacity, residual_fraction
from paraformer.process.vic.simulate import simulate

try:
    from bmipy import Bmi
except ModuleNotFoundError as error:
    raise ImportError("paraformer.process.bmi needs the extra 'bmi': pip install 'paraformer[bmi]'") from error


class Item(NamedTuple):
    """A variable of the interface: our name for it and its unit."""

    name: str
    unit: str


INPUTS: dict[str, Item] = {
    "atmosphere_water__precipitation_leq-volume_flux": Item("prcp", "mm d-1"),
    "atmosphere_bottom_air__temperature": Item("tair", "degC"),
    "land_surface_radiation~incoming~shortwave__energy_flux": Item("swdown", "W m-2"),
    "land_surface_radiation~incoming~longwave__energy_flux": Item("lwdown", "W m-2"),
    "land_surface_wind__reference-height_speed": Item("wind", "m s-1"),
    "atmosphere_bottom_air_water-vapor__partial_pressure": Item("vp", "kPa"),
    "atmosphere_bottom_air__pressure": Item("pres", "kPa"),
}
"""Weather of the coming day, daily means. What is set replaces the file's mean of that day and keeps its course:
temperature is shifted, all else multiplied (spread evenly where the file has none)."""

STORES: dict[str, Item] = {
    "soil_layer~1_water__areal_mass_density": Item("moisture_1", "kg m-2"),
    "soil_layer~2_water__areal_mass_density": Item("moisture_2", "kg m-2"),
    "soil_layer~3_water__areal_mass_density": Item("moisture_3", "kg m-2"),
}
"""Cell means of the state now. What is set multiplies the layer's moisture of every tile and band, between residual
and maximum moisture: the entrance of data assimilation."""

OUTPUTS: dict[str, Item] = {
    "soil_layer~1_water__volume_fraction": Item("soil_moisture", "1"),
    "snowpack__liquid-equivalent_depth": Item("swe", "mm"),
    "snowpack__depth": Item("snow_depth", "m"),
    "land_surface_water__evapotranspiration_volume_flux": Item("evapotranspiration", "mm d-1"),
    "land_surface_water__runoff_volume_flux": Item("runoff", "mm d-1"),
    "land_surface_water__baseflow_volume_flux": Item("baseflow", "mm d-1"),
}
"""State now, and fluxes of the last day (NaN before the first one)."""

_FLUXES = ("evapotranspiration", "runoff", "baseflow")
_GRID = 0


class VICBmi(Bmi):
    """VIC on its cells: one unstructured grid without edges, nodes at the cells' centres (x longitude, y latitude).

    Time is in days from 00:00 UTC of the first day; a step is one day. Values are float64, one a cell. Pointers stay
    valid from ``initialize`` to ``finalize``, and writing into one is ``set_value``.

    Raises:
        ModelError: unknown variable or grid, a call before ``initialize``, a step beyond the end, or what a grid
            without edges and faces does not have.
        DataError, SettingsError: from reading the files, or values VIC cannot run with.
    """

    def __init__(self) -> None:
        self._world: World | None = None
        self._values: dict[str, np.ndarray] = {}
        self._given: dict[str, np.ndarray] = {}
        self._day = 0

    def initialize(self, config_file: str) -> None:
        """Read a YAML file (``bmi_setup.BMIConfig``) or a VIC-5 global parameter file, and make the initial state."""
        self._world = world = read_world(config_file)
        self._day = 0
        n_cell = world.parameters.n_cell
        self._values = {
            item.name: np.full(n_cell, np.nan) for group in (INPUTS, STORES, OUTPUTS) for item in group.values()
        }
        self._refresh()

    def update(self) -> None:
        """Run one day."""
        world = self._running()
        if self._day >= world.n_day:
            raise ModelError(f"bmi: the run ends after {world.n_day} days")
        self._assimilate(world)
        result = simulate(
            world.parameters,
            self._weather(world),
            world.settings,
            initial_state=world.state,
            outputs=_FLUXES,
            threads=world.threads,
            return_state=True,
        )
        assert result.state is not None
        world.state[...] = result.state
        self._day += 1
        for name in _FLUXES:
            self._values[name][:] = result.outputs[name][:, 0, 0]
        self._refresh()

    def update_until(self, time: float) -> None:
        """Run days up to ``time``, a whole number of days that is not in the past."""
        if time != int(time) or time < self._day:
            raise ModelError(f"bmi: cannot run to {time:g} d; expected a whole day, now or later (now is {self._day})")
        if time > self._running().n_day:
            raise ModelError(f"bmi: cannot run to {time:g} d; the run ends after {self._running().n_day} days")
        while self._day < time:
            self.update()

    def finalize(self) -> None:
        """Release the memory."""
        self._world, self._values, self._given = None, {}, {}

    def _running(self) -> World:
        if self._world is None:
            raise ModelError("bmi: call initialize first")
        return self._world

    def _refresh(self) -> None:
        """State now and weather of the coming day into the values; what they are is remembered, to see what is set."""
        world = self._running()
        weight = world.parameters.column_weight()

        def mean(field: np.ndarray) -> np.ndarray:
            return (field * weight).sum(axis=1)

        state, values = world.state[:, 0], self._values
        for layer in range(3):
            values[f"moisture_{layer + 1}"][:] = mean(state["moisture"][..., layer])
        values["soil_moisture"][:] = values["moisture_1"] / (world.parameters.depth[:, 0] * MM_PER_M)
        values["swe"][:] = mean(state["swe"]) * MM_PER_M
        values["snow_depth"][:] = mean(state["depth"])
        if self._day < world.n_day:
            forcing = world.weather(self._day)
            for name in SERIES:
                values[name][:] = _daily(name, forcing)
        self._given = {item.name: values[item.name].copy() for group in (INPUTS, STORES) for item in group.values()}

    def _weather(self, world: World) -> Forcing:
        """Weather of the coming day with the means that were set."""
        forcing, changes = world.weather(self._day), {}
        for name in SERIES:
            wanted, given = self._values[name], self._given[name]
            changed = np.flatnonzero(wanted != given)
            if changed.size:
                series = getattr(forcing, name).copy()
                series[changed] = _moved(name, series[changed], given[changed, None], wanted[changed, None])
                changes[name] = series
        return forcing._replace(**changes)

    def _assimilate(self, world: World) -> None:
        """Moisture that was set, into the state."""
        most = column_moisture_capacity(world.parameters)
        least = residual_fraction(world.parameters) * world.parameters.depth * MM_PER_M
        for layer in range(3):
            wanted, given = self._values[f"moisture_{layer + 1}"], self._given[f"moisture_{layer + 1}"]
            changed = np.flatnonzero(wanted != given)
            bad = changed[~(wanted[changed] >= 0)]
            if bad.size:
                cell = world.parameters.cell[bad[0]]
                raise DataError(f"bmi: moisture of layer {layer + 1}, cell {cell}: found {wanted[bad[0]]:g} kg m-2")
            moisture = world.state["moisture"]
            factor = np.divide(wanted, given, out=np.ones_like(given), where=given > 0)[changed]
            scaled = moisture[changed, ..., layer] * factor[:, None, None]
            moisture[changed, ..., layer] = np.clip(
                scaled, least[changed, layer, None, None], most[changed, layer, None, None]
            )

    def get_component_name(self) -> str:
        return "ParaFormer VIC-5"

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # bmipy's tuple[str] means many
        return (*INPUTS, *STORES)

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*OUTPUTS, *STORES)

    def get_input_item_count(self) -> int:
        return len(self.get_input_var_names())

    def get_output_item_count(self) -> int:
        return len(self.get_output_var_names())

    def get_var_grid(self, name: str) -> int:
        _item(name)
        return _GRID

    def get_var_type(self, name: str) -> str:
        return str(self.get_value_ptr(name).dtype)

    def get_var_units(self, name: str) -> str:
        return _item(name).unit

    def get_var_itemsize(self, name: str) -> int:
        return self.get_value_ptr(name).itemsize

    def get_var_nbytes(self, name: str) -> int:
        return self.get_value_ptr(name).nbytes

    def get_var_location(self, name: str) -> str:
        _item(name)
        return "node"

    def get_current_time(self) -> float:
        self._running()
        return float(self._day)

    def get_start_time(self) -> float:
        return 0.0

    def get_end_time(self) -> float:
        return float(self._running().n_day)

    def get_time_units(self) -> str:
        return "d"

    def get_time_step(self) -> float:
        return 1.0

    def get_value(self, name: str, dest: np.ndarray) -> np.ndarray:
        dest[:] = self.get_value_ptr(name)
        return dest

    def get_value_ptr(self, name: str) -> np.ndarray:
        item = _item(name)
        self._running()
        return self._values[item.name]

    def get_value_at_indices(self, name: str, dest: np.ndarray, inds: np.ndarray) -> np.ndarray:
        dest[:] = self.get_value_ptr(name)[inds]
        return dest

    def set_value(self, name: str, src: np.ndarray) -> None:
        self._input(name)[:] = src

    def set_value_at_indices(self, name: str, inds: np.ndarray, src: np.ndarray) -> None:
        self._input(name)[inds] = src

    def _input(self, name: str) -> np.ndarray:
        if name in OUTPUTS:
            raise ModelError(f"bmi: '{name}' is an output; inputs: {', '.join(self.get_input_var_names())}")
        return self.get_value_ptr(name)

    def get_grid_rank(self, grid: int) -> int:
        self._require_grid(grid)
        return 2

    def get_grid_size(self, grid: int) -> int:
        self._require_grid(grid)
        return self._running().parameters.n_cell

    def get_grid_type(self, grid: int) -> str:
        self._require_grid(grid)
        return "unstructured"

    def get_grid_x(self, grid: int, x: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        x[:] = self._running().lon
        return x

    def get_grid_y(self, grid: int, y: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        y[:] = self._running().lat
        return y

    def get_grid_node_count(self, grid: int) -> int:
        return self.get_grid_size(grid)

    def get_grid_edge_count(self, grid: int) -> int:
        self._require_grid(grid)
        return 0

    def get_grid_face_count(self, grid: int) -> int:
        self._require_grid(grid)
        return 0

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        return nodes_per_face  # no face: nothing to fill, as in the three below

    def get_grid_edge_nodes(self, grid: int, edge_nodes: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        return edge_nodes

    def get_grid_face_edges(self, grid: int, face_edges: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        return face_edges

    def get_grid_face_nodes(self, grid: int, face_nodes: np.ndarray) -> np.ndarray:
        self._require_grid(grid)
        return face_nodes

    def get_grid_z(self, grid: int, z: np.ndarray) -> np.ndarray:
        raise self._lacks(grid, "z coordinates")

    def get_grid_shape(self, grid: int, shape: np.ndarray) -> np.ndarray:
        raise self._lacks(grid, "a shape")

    def get_grid_spacing(self, grid: int, spacing: np.ndarray) -> np.ndarray:
        raise self._lacks(grid, "a spacing")

    def get_grid_origin(self, grid: int, origin: np.ndarray) -> np.ndarray:
        raise self._lacks(grid, "an origin")

    def _lacks(self, grid: int, what: str) -> ModelError:
        self._require_grid(grid)
        return ModelError(f"bmi: grid {grid} is unstructured, nodes in a plane; it has not {what}")

    def _require_grid(self, grid: int) -> None:
        if grid != _GRID:
            raise ModelError(f"bmi: no grid {grid}; the one grid is {_GRID}")


def _item(name: str) -> Item:
    every = {**INPUTS, **STORES, **OUTPUTS}
    if name not in every:
        raise ModelError(f"bmi: no variable '{name}'{nearest(name, every)}")
    return every[name]


def _daily(name: str, forcing: Forcing) -> Float[np.ndarray, " cell"]:
    """Mean of a day of a forcing; precipitation as the sum [mm d-1]."""
    series = getattr(forcing, name)
    return series.sum(axis=1) if name == "prcp" else series.mean(axis=1)


def _moved(
    name: str,
    series: Float[np.ndarray, "cell step"],
    given: Float[np.ndarray, "cell 1"],
    wanted: Float[np.ndarray, "cell 1"],
) -> Float[np.ndarray, "cell step"]:
    """A day's course with another daily mean."""
    if name == "tair":
        return series + (wanted - given)
    evenly = np.broadcast_to(wanted / (series.shape[1] if name == "prcp" else 1), series.shape)
    return np.where(given > 0, series * np.divide(wanted, given, out=np.ones_like(given), where=given > 0), evenly)
