"""The optimizers of a run: Adam, Muon, SGD."""
