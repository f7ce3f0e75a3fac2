"""Takes raw files in the simple format, or the settings of the built-in world.
Gives a checked Cube (zarr), and of it the view that a calibrator may see.
Never runs a model, and never lets a value of the test period or an observation of an unseen cell into that view.
"""
