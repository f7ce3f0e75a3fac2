"""A-priori parameters proved: what no soil or plant has is refused, what rounding made is set right, what is rare said.

Ranges are those of ``core.vic_variables.VIC_PARAMETERS``; here are the rules between variables. Only what a run uses
matters: a class without area needs no albedo, bare soil no roots.
"""

from __future__ import annotations

import numpy as np

from paraformer.core.grid import Words
from paraformer.core.proof import Place, Proof, numbered, place_of
from paraformer.core.vic_variables import VIC_PARAMETERS
from paraformer.process.vic.constants import DISPLACEMENT_PER_HEIGHT, MM_PER_M
from paraformer.process.vic.parameters import CellParameters, column_moisture_capacity, residual_fraction

SOIL = {
    "infilt": "infilt",
    "ds": "Ds",
    "dsmax": "Dsmax",
    "ws": "Ws",
    "c": "c",
    "elev": "elev",
    "avg_t": "avg_T",
    "dp": "dp",
    "rough": "rough",
    "snow_rough": "snow_rough",
    "expt": "expt",
    "ksat": "Ksat",
    "depth": "depth",
    "bulk_density": "bulk_density",
    "soil_density": "soil_density",
    "quartz": "quartz",
    "wcr_fract": "Wcr_FRACT",
    "wpwp_fract": "Wpwp_FRACT",
    "resid_moist": "resid_moist",
    "init_moist": "init_moist",
}
BANDS = {"area_fract": "AreaFract", "elevation": "elevation", "pfactor": "Pfactor"}
PLANTS = {
    "cv": "Cv",
    "overstory": "overstory",
    "rarc": "rarc",
    "rmin": "rmin",
    "rgl": "RGL",
    "rad_atten": "rad_atten",
    "wind_atten": "wind_atten",
    "trunk_ratio": "trunk_ratio",
    "wind_h": "wind_h",
    "root_depth": "root_depth",
    "root_fract": "root_fract",
    "lai": "LAI",
    "albedo": "albedo",
    "veg_rough": "veg_rough",
    "displacement": "displacement",
    "fcanopy": "fcanopy",
}
"""Fields of ``CellParameters`` and their names in VIC-5 parameter files."""

_EXACT_SUM, _NEAR_SUM = 1e-3, 1e-2
_SAME_ELEVATION = 1.0  # how far the mean of the bands may lie from ``elev`` before VIC says so [m]
"""How far a sum of shares may be from 1 without a word, and with a warning."""
_LEAST_COVER = 0.01  # sum of Cv that is taken for a cell's, with a warning [1]
_LARGEST_WETNESS = 2.0  # moisture of a start over what the soil holds that is cut to it, with a warning [1]
_THIN_ZONE = 0.01  # thickness of a root zone with roots that is rare below [m]
_STRONGEST_WIND = 5.0  # wind in 2 m over the wind measured [1]
_ROUGHEST = 0.8  # roughness over the height of the trees above their displacement [1]


def prove_parameters(
    parameters: CellParameters, proof: Proof, *, words: Words | None = None, classes: np.ndarray | None = None
) -> CellParameters:
    """Prove parameters and return them, what rounding put outside its range set to the end of it.

    Args:
        parameters: of the cells.
        proof: collects what is found; the caller finishes it.
        words: what messages call the cells; ``cell`` and the identifier by default.
        classes: numbers of the vegetation classes, by ``tile_class``; positions by default [class].
    """
    words = words or (lambda i: f"cell {parameters.cell[i]}")
    soil = _prove_soil(parameters, proof, words)
    bands = _prove_bands(parameters, proof, words)
    plants = _prove_plants(parameters, proof, _tile_words(parameters, words, classes))
    proved = parameters._replace(**soil, **bands, **plants)
    if not proof.refused:  # relations of values that are none would only repeat what is said
        _relate_soil(proved, proof, words)
        _relate_plants(proved, proof, words, _tile_words(parameters, words, classes))
    return proved


def require_valid(parameters: CellParameters) -> CellParameters:
    """As ``prove_parameters``, without warnings.

    Raises:
        DataError: naming variable, cell, what was found and expected.
    """
    proof = Proof("parameters", quiet=True)
    proved = prove_parameters(parameters, proof)
    proof.finish()
    return proved


def _tile_words(parameters: CellParameters, words: Words, classes: np.ndarray | None) -> Place:
    def place(index: tuple[int, ...]) -> str:
        position = int(parameters.tile_class[index[0], index[1]])
        name = position if classes is None or position < 0 else classes[position]
        return f"{words(index[0])}, class {name}"

    return place


def _prove_soil(parameters: CellParameters, proof: Proof, words: Words) -> dict[str, np.ndarray]:
    place = place_of(words, numbered("layer"))
    values = {field: getattr(parameters, field) for field in SOIL}
    unknown = values["resid_moist"] == -99999.0  # VIC takes it for 0
    return {
        field: proof.values(
            VIC_PARAMETERS[name], values[field], place, used=~unknown if name == "resid_moist" else None
        )
        for field, name in SOIL.items()
    }


def _prove_bands(parameters: CellParameters, proof: Proof, words: Words) -> dict[str, np.ndarray]:
    place, used = place_of(words, numbered("band")), parameters.area_fract > 0
    area, share = parameters.area_fract, parameters.pfactor
    found = {
        "area_fract": proof.values(VIC_PARAMETERS["AreaFract"], area, place),
        "elevation": proof.values(VIC_PARAMETERS["elevation"], parameters.elevation, place, used=used),
        "pfactor": proof.values(VIC_PARAMETERS["Pfactor"], share, place),
    }
    for name, total in (("AreaFract", area.sum(axis=1)), ("Pfactor", np.where(used, share, 0.0).sum(axis=1))):
        _prove_sum(proof, f"{name} of the bands with area", total, place_of(words), 1 - _NEAR_SUM)
    mean = parameters.mean_elevation()
    proof.warn(
        ~(np.abs(mean - parameters.elev) > _SAME_ELEVATION),  # what is missing is refused above
        lambda i: (
            f"elev at {place_of(words)(i)}: found {parameters.elev[i]:g} m beside bands of {mean[i]:g} m in the mean, "
            "which is taken, as VIC does"
        ),
    )
    return {name: np.where(used | np.isfinite(values), values, 0.0) for name, values in found.items()}


def _prove_sum(
    proof: Proof, what: str, total: np.ndarray, place: Place, least: float, used: np.ndarray | None = None
) -> None:
    """A sum of shares: 1, but for rounding."""
    used = np.isfinite(total) if used is None else used & np.isfinite(total)
    off = np.abs(total - 1.0)
    good = ~used | ((total >= least) & (total <= 1 + _NEAR_SUM))
    proof.require(good, lambda i: f"{what} at {place(i)}: found a sum of {total[i]:g}, expected 1")
    proof.warn(
        ~used | ~good | (off <= _EXACT_SUM),
        lambda i: f"{what} at {place(i)}: the sum is {total[i]:g}; divided by it, as VIC does",
    )


def _prove_plants(parameters: CellParameters, proof: Proof, tile: Place) -> dict[str, np.ndarray]:
    """Values of the tiles with area; what a tile does not need is 0 where it is no number."""
    used = parameters.cv > 0
    plants = used & ~parameters.bare
    trees = plants & parameters.overstory
    leafy = plants & (np.nan_to_num(parameters.lai).max(axis=2) > 0)
    uses = {
        **dict.fromkeys(("rad_atten", "lai", "fcanopy", "albedo"), plants),
        **dict.fromkeys(("rarc", "rmin", "rgl", "veg_rough", "root_depth", "root_fract"), leafy),
        **dict.fromkeys(("wind_atten", "trunk_ratio"), trees),
        **dict.fromkeys(("wind_h", "displacement", "cv"), used),
    }
    axis = {"zone": numbered("root zone"), "month": numbered("month")}
    found = {}
    for field, of in uses.items():
        variable, values = VIC_PARAMETERS[PLANTS[field]], getattr(parameters, field)
        say = axis.get(variable.dims[-1], numbered(""))

        def place(index: tuple[int, ...], say: Words = say) -> str:
            return tile(index) + (f", {say(index[2])}" if len(index) > 2 else "")

        needed = of if values.ndim == 2 else np.broadcast_to(of[:, :, None], values.shape)
        proved = proof.values(variable, values, place, used=needed)
        found[field] = proved if np.isfinite(proved).all() else np.where(needed | np.isfinite(proved), proved, 0.0)
    rough, leafless = parameters.veg_rough, (used & ~leafy)[:, :, None]
    proof.require(
        ~leafless | (rough >= 0),  # 0 stands for the roughness of the soil
        lambda i: f"veg_rough at {tile(i)}, month {i[2] + 1}: found {rough[i]:g} m, expected at least 0",
    )
    return found


def _relate_soil(parameters: CellParameters, proof: Proof, words: Words) -> None:
    place = place_of(words, numbered("layer"))
    bulk, particles = parameters.bulk_density, parameters.soil_density
    proof.require(
        bulk < particles,
        lambda i: f"bulk_density at {place(i)}: found {bulk[i]:g} kg m-3, expected below soil_density {particles[i]:g}",
    )
    wet, dry = parameters.wcr_fract, parameters.wpwp_fract
    proof.require(
        dry <= wet, lambda i: f"Wpwp_FRACT at {place(i)}: found {dry[i]:g}, expected at most Wcr_FRACT {wet[i]:g}"
    )
    residual, wilting = residual_fraction(parameters), dry * (1.0 - bulk / particles)
    proof.require(
        residual <= wilting,
        lambda i: (
            f"resid_moist at {place(i)}: found {residual[i]:g}, expected at most the wilting point {wilting[i]:g}"
        ),
    )
    depth = parameters.depth
    proof.require(
        depth[:, 0] <= depth[:, 1],
        lambda i: (
            f"depth at {words(i[0])}: layer 1 has {depth[i[0], 0]:g} m, expected at most layer 2's {depth[i[0], 1]:g} m"
        ),
    )
    most, start = column_moisture_capacity(parameters), parameters.init_moist
    prove_capacity(proof, "init_moist", start, most, place)
    least = residual_fraction(parameters) * depth * MM_PER_M
    proof.warn(
        start >= least * (1 - 1e-6),
        lambda i: f"init_moist at {place(i)}: {start[i]:g} mm is below the residual moisture {least[i]:g} mm",
    )
    proof.warn(
        parameters.ds <= parameters.ws,
        lambda i: (
            f"Ds at {words(i[0])}: {parameters.ds[i]:g} is above Ws {parameters.ws[i]:g}: baseflow falls where "
            "moisture rises"
        ),
    )


def prove_capacity(
    proof: Proof, name: str, moisture: np.ndarray, most: np.ndarray, place: Place, used: np.ndarray | None = None
) -> None:
    """Moisture of a start [mm] against what the soil holds; a run begins with no more than that."""
    used = np.ones(moisture.shape, dtype=bool) if used is None else used
    proof.require(
        ~used | (moisture <= _LARGEST_WETNESS * most),
        lambda i: f"{name} at {place(i)}: found {moisture[i]:g} mm, expected at most the {most[i]:g} mm the soil holds",
    )
    over = used & (moisture > most * (1 + 1e-6))
    excess = float(np.where(over, moisture - most, 0.0).max(initial=0.0))
    proof.warn(
        ~over,
        lambda i: (
            f"{name} at {place(i)}: {moisture[i]:g} mm is more than the {most[i]:g} mm the soil holds, with which "
            f"the run begins (largest change {excess:.2g} mm)"
        ),
    )


def _relate_plants(parameters: CellParameters, proof: Proof, words: Words, tile: Place) -> None:
    used = parameters.cv > 0
    _prove_sum(proof, "Cv", parameters.cv.sum(axis=1), place_of(words), _LEAST_COVER)
    leafy = used & ~parameters.bare & (parameters.lai.max(axis=2) > 0)
    depth, share = parameters.root_depth, parameters.root_fract
    _prove_sum(proof, "root_fract", share.sum(axis=2), tile, 1 - _NEAR_SUM, leafy)
    proof.require(
        ~leafy[:, :, None] | (depth > 0) | (share == 0),
        lambda i: (
            f"root_depth at {tile(i)}, root zone {i[2] + 1}: found 0 m, expected more where root_fract is {share[i]:g}"
        ),
    )
    proof.warn(
        ~leafy[:, :, None] | (share == 0) | (depth >= _THIN_ZONE),
        lambda i: f"root_depth at {tile(i)}, root zone {i[2] + 1}: {depth[i]:g} m is less than {_THIN_ZONE} m",
    )
    _relate_wind(parameters, proof, tile, used)


def _relate_wind(parameters: CellParameters, proof: Proof, tile: Place, used: np.ndarray) -> None:
    """Heights between which the wind profiles of ``aerodynamics`` exist; a month without one gives any evaporation."""
    displacement = parameters.displacement
    soil, snow = parameters.rough[:, None, None], parameters.snow_rough[:, None]
    roughness = np.where(parameters.veg_rough == 0.0, soil, parameters.veg_rough)
    measured = np.broadcast_to(parameters.wind_h[:, :, None], displacement.shape)
    raised = displacement >= measured  # VIC then takes it as a height above the plants
    reference = np.where(raised, displacement + measured + roughness, measured)
    used = np.broadcast_to(used[:, :, None], displacement.shape)

    def at(i: tuple[int, ...]) -> str:
        heights = f"displacement {displacement[i]:g} m and roughness {roughness[i]:g} m"
        return f"{tile(i)}, month {i[2] + 1}: found {measured[i]:g} m with {heights}"

    with np.errstate(all="ignore"):
        wind = np.log((2.0 + roughness) / roughness) / np.log((reference - displacement) / roughness)
    proof.require(
        ~used | ((wind > 0) & (wind <= _STRONGEST_WIND) & (reference > snow[:, :, None])),
        lambda i: f"wind_h at {at(i)}, expected a height well above both",
    )
    rough = ~used | (roughness < 2.0 + 0.5 * displacement)
    proof.require(rough, lambda i: f"veg_rough at {at(i)}, expected a smaller roughness")
    trees = used & (parameters.overstory & ~parameters.bare)[:, :, None]
    height = displacement / DISPLACEMENT_PER_HEIGHT
    proof.require(~trees | (displacement > 0), lambda i: f"displacement at {at(i)}, expected above 0 m for trees")
    proof.require(
        ~trees | (displacement == 0) | (roughness < _ROUGHEST * (height - displacement)),
        lambda i: (
            f"veg_rough at {at(i)}, expected below {_ROUGHEST * (height[i] - displacement[i]):.3g} m, by trees of "
            f"{height[i]:.3g} m"
        ),
    )
    proof.require(
        ~trees | (reference >= height),
        lambda i: f"wind_h at {at(i)}, expected above the trees' {height[i]:.3g} m",
    )
    proof.require(
        ~trees[:, :, 0] | ((parameters.trunk_ratio * height.min(axis=2) > snow) & (parameters.wind_atten > 0)),
        lambda i: (
            f"trunk_ratio at {tile(i)}: found {parameters.trunk_ratio[i]:g} with wind_atten "
            f"{parameters.wind_atten[i]:g}, expected both above 0 and trunks that stand out of the snow's roughness"
        ),
    )
    proof.warn(
        ~used | ~raised,
        lambda i: f"wind_h at {at(i)}: below the displacement, and taken as a height above it, as VIC does",
    )
