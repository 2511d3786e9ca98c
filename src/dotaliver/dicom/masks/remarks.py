"""Caveats of an imported mask: outlines that overlap or were left out."""

from __future__ import annotations

from dotaliver.dicom.masks.outlines import MaskKind, Outlines
from dotaliver.records.flags import Flag, raise_flag

__all__ = ["OF_OUTLINES", "left_out_flags", "overlap_flags"]

OF_OUTLINES = {"OUTLINES_OVERLAP", "OUTLINES_LEFT_OUT", "OUTLINE_SPARSE", "OUTLINE_WITH_GAPS", "CONTOURS_NOT_CLOSED"}
"""Flags of an imported mask, which go when another mask takes its place"""


def overlap_flags(kind: MaskKind, voxels: int, voxel_ml: float) -> tuple[Flag, ...]:
    """Say in how many voxels several lesions were drawn; each such voxel counts for one of them only."""
    if kind != "lesions" or not voxels:
        return ()
    return (raise_flag("OUTLINES_OVERLAP", voxels=voxels, ml=voxels * voxel_ml),)


def left_out_flags(kind: MaskKind, outlines: Outlines, picked: list[int], wanted: tuple[str, ...]) -> tuple[Flag, ...]:
    """Say how many outlines were not taken for lesions; the liver and what the user did not name are left out."""
    if kind != "lesions" or wanted:
        return ()
    left = set(outlines.names) - set(picked) - outlines.livers
    return (raise_flag("OUTLINES_LEFT_OUT", count=len(left), of=len(outlines.names)),) if left else ()
