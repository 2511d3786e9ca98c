"""OME-Zarr images on disk: verified when read, written whole."""
