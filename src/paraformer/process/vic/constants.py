"""Physical and model constants of VIC-5 (``vic_physical_constants.h``, ``initialize_parameters.c``), with units.

Those that other rooms take too are imported from ``core.physics``, and found here as well.
"""

from __future__ import annotations

from paraformer.core.physics import GRAVITY as GRAVITY
from paraformer.core.physics import KELVIN as KELVIN
from paraformer.core.physics import LAPSE_RATE as LAPSE_RATE
from paraformer.core.physics import MM_PER_M as MM_PER_M
from paraformer.core.physics import PA_PER_KPA as PA_PER_KPA
from paraformer.core.physics import SECONDS_PER_DAY as SECONDS_PER_DAY
from paraformer.core.physics import STANDARD_PRESSURE as STANDARD_PRESSURE
from paraformer.core.physics import STEFAN_BOLTZMANN as STEFAN_BOLTZMANN
from paraformer.core.physics import SVP_A as SVP_A
from paraformer.core.physics import SVP_B as SVP_B
from paraformer.core.physics import SVP_C as SVP_C
from paraformer.core.physics import SVP_ICE_1 as SVP_ICE_1
from paraformer.core.physics import SVP_ICE_2 as SVP_ICE_2

# Physics
VON_KARMAN = 0.4  # [1]
GAS_CONSTANT = 6.02214e26 * 1.38065e-23  # universal gas constant [J K-1 kmol-1]
DRY_AIR_GAS_CONSTANT = GAS_CONSTANT / 28.966  # [J kg-1 K-1]
MOLECULAR_WEIGHT_RATIO = 18.016 / 28.97  # water vapour to dry air [1]; VIC uses 28.97 here, 28.966 above
WATER_DENSITY = 1000.0  # [kg m-3]
ICE_DENSITY = 917.0  # [kg m-3]
AIR_HEAT_CAPACITY = 1013.0  # moist air [J kg-1 K-1]
WATER_HEAT_CAPACITY = 4188.0  # [J kg-1 K-1]
ICE_VOLUMETRIC_HEAT_CAPACITY = 2117.27 * 1000.0  # per metre of water equivalent [J m-3 K-1]
LATENT_HEAT_FUSION = 3.337e5  # [J kg-1]
LATENT_HEAT_VAPORISATION = 2.501e6  # at 0 degC [J kg-1]
INCHES_PER_M = 1000.0 / 25.4
MM_PER_INCH = 25.4
DOUBLE_EPSILON = 2.220446e-16

# Surfaces and aerodynamics
EMISSIVITY = 0.97  # ground, vegetation and snow [1]
BARE_SOIL_ALBEDO = 0.2  # bare-soil tile [1]
INFINITE_RESISTANCE = 1e20  # [s m-1]
BARE_SOIL_ARCHITECTURAL_RESISTANCE = 100.0  # [s m-1]
DISPLACEMENT_PER_HEIGHT = 0.67
ROUGHNESS_PER_HEIGHT = 0.123
EVAPORATION_HEIGHT_FACTOR = 1.0 / 0.63 - 1.0  # [1]

# Canopy
DEW_PER_LAI = 0.1  # liquid storage of leaves [mm]
SNOW_INTERCEPTION_PER_LAI = 0.0005  # [m]
MINIMUM_INTERCEPTION_STORAGE = 0.005  # below it no mass release [m]
CLOSURE_VPD = 4000.0  # vapour pressure deficit that closes stomata [Pa]
MAXIMUM_CANOPY_RESISTANCE = 5000.0  # [s m-1]
MINIMUM_VPD_FACTOR = 0.1  # [1]
MINIMUM_CANOPY_FRACTION = 1e-4  # [1]

# Snow
ALL_RAIN_TEMPERATURE = 0.5  # at and above it all precipitation is rain [degC]
ALL_SNOW_TEMPERATURE = -0.5  # at and below it all precipitation is snow [degC]
MINIMUM_SNOWFALL = 1e-5  # [mm]
SURFACE_LAYER_SWE = 0.125  # surface layer of the pack [m]
LIQUID_WATER_CAPACITY = 0.035  # liquid water a snow layer holds, of its ice [1]
THIN_SNOW_SWE = 0.001  # [m]
NEW_SNOW_ALBEDO = 0.85
ACCUMULATION_ALBEDO_A, ACCUMULATION_ALBEDO_B = 0.94, 0.58
THAW_ALBEDO_A, THAW_ALBEDO_B = 0.82, 0.46
TRACE_SNOW = 0.03  # [mm]
NEW_SNOW_DENSITY = 50.0  # [kg m-3]
MAXIMUM_NEW_SNOW_DENSITY = 400.0  # [kg m-3]
NEW_SNOW_BRAS_DENOMINATOR = 100.0
COMPACTION_DENOMINATOR = 10.0
COMPACTION_EXPONENT = 0.35
MAXIMUM_DEPTH_CHANGE = 0.9  # of the depth, a step [1]
SNOW_VISCOSITY = 3.6e6  # [kg s m-2]
SNOW_VISCOSITY_TEMPERATURE = 0.08  # [K-1]
SNOW_VISCOSITY_DENSITY = 0.021  # [m3 kg-1]
MINIMUM_SNOW_DEPTH = 1e-8  # for conduction [m]
SNOW_CONDUCTIVITY = 2.9302e-6  # times density squared
NO_SURFACE_TEMPERATURE = 999.0  # marker of a pack too thin for its own energy balance

# Root finder (Brent)
TEMPERATURE_BRACKET = 5.0  # half width of the first bracket [K]
ROOT_TOLERANCE = 1e-7  # [K]
BRACKET_STEP = 10.0  # [K]
BRACKET_TRIES = 5
ROOT_ITERATIONS = 1000
