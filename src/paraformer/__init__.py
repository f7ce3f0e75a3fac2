"""ParaFormer: learns the hidden parameters of land-surface hydrological models from satellite observations."""
