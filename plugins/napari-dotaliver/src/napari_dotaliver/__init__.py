"""The radiologist's desk: look at a PET/CT, correct what was outlined, and sign, in napari."""

__version__ = "0.1.0"
