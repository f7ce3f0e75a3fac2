"""Takes raw files in the simple format, or the settings of the built-in world.
Gives a checked Cube (zarr), and of it the view that a calibrator may see.
Never runs a model, and never lets a value of the test period or an observation of an unseen cell into that view.
"""

from paraformer.data.config import DataConfig, Split, SyntheticConfig
from paraformer.data.cube import build_cube, forcing_cube
from paraformer.data.gather import gather, open_maps, source_hash
from paraformer.data.quality import Selection, check, check_values
from paraformer.data.sources.synthetic import open_truth, write_world
from paraformer.data.summary import input_table
from paraformer.data.views import calibration_view, describe_cube

__all__ = [
    "DataConfig",
    "Selection",
    "Split",
    "SyntheticConfig",
    "build_cube",
    "calibration_view",
    "check",
    "check_values",
    "describe_cube",
    "forcing_cube",
    "gather",
    "input_table",
    "open_maps",
    "open_truth",
    "source_hash",
    "write_world",
]
