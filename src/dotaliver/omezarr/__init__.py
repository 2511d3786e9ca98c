"""OME-Zarr images on disk: read with distrust, written whole."""
