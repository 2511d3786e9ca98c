"""Masks of others: SEG, RTSTRUCT, NIfTI, NRRD, OME-Zarr."""
