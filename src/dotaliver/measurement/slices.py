"""On which slice of which series a diameter lies, so that it can be found again."""

from __future__ import annotations

from dotaliver.records.study import Diameter, Lesion, SeriesIdentity, StudyIdentity

__all__ = ["on_their_slices"]


def on_their_slices(lesions: tuple[Lesion, ...], identity: StudyIdentity) -> tuple[Lesion, ...]:
    """The same lesions, their diameters with the UIDs of series and slice; a reader's stay as they were drawn."""
    return tuple(_placed(lesion, identity) for lesion in lesions)


def _placed(lesion: Lesion, identity: StudyIdentity) -> Lesion:
    diameter = lesion.diameter
    if diameter is None or diameter.source == "reader" or diameter.slice_index is None:
        return lesion
    series = identity.pet if diameter.source == "pet" else identity.measured_ct
    return lesion if series is None else lesion.model_copy(update={"diameter": _on_series(diameter, series)})


def _on_series(diameter: Diameter, series: SeriesIdentity) -> Diameter:
    uids, index = series.sop_instance_uids, diameter.slice_index
    # A mask on a grid of its own has other slices than the series.
    on_grid = index is not None and len(uids) == series.shape[0] and index < len(uids)
    return diameter.model_copy(
        update={
            "series_instance_uid": series.series_instance_uid,
            "sop_instance_uid": uids[index] if on_grid and index is not None else None,
        }
    )
