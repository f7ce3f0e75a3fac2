"""VIC-5 as its users know it: the image driver's global parameter file in, history and state files out.

A folder of its own, so that a change here does not recompile the model (``jit.source_digest``)."""
