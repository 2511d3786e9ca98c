"""Studies made of arrays, with everything known, for the tests of measuring and judging."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.flags import Flag
from dotaliver.records.study import (
    Acquisition,
    MaskLayer,
    ReferenceRegion,
    Segmentations,
    SeriesIdentity,
    StudyIdentity,
    StudyVolumes,
)

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
SSTR = Acquisition(tracer="68Ga-DOTATATE", tracer_is_sstr=True, nuclide="68Ga")


def grid(shape, spacing=(3.0, 3.0, 3.0), origin=(0.0, 0.0, 0.0)) -> Geometry:
    return Geometry(shape, origin, spacing, AXIAL, "1.2.3")


def ball(geometry: Geometry, centre_lps_mm, radius_mm) -> np.ndarray:
    """Voxels whose centre lies in a ball."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    return np.linalg.norm(geometry.index_to_lps(index) - centre_lps_mm, axis=-1) <= radius_mm


def series(modality: str, geometry: Geometry, thickness_mm: float | None = None) -> SeriesIdentity:
    return SeriesIdentity(
        modality=modality,
        series_instance_uid="1.2.3." + ("1" if modality == "CT" else "2"),
        shape=geometry.shape,
        spacing_mm=geometry.spacing_mm,
        slice_thickness_mm=thickness_mm,
        sop_instance_uids=(),
        pixel_sha256="0" * 64,
        chosen_because="the only one",
    )


def study(
    suv: np.ndarray,
    geometry: Geometry,
    *,
    acquisition: Acquisition = SSTR,
    ct: SeriesIdentity | None = None,
    quantity: Quantity = Quantity.SUVBW,
    flags: tuple[Flag, ...] = (),
) -> StudyVolumes:
    identity = StudyIdentity(study_instance_uid="1.2.3", pet=series("PT", geometry), ct=ct)
    return StudyVolumes(Volume(suv.astype(np.float32), geometry, quantity), None, identity, acquisition, None, flags)


def layer(labels: np.ndarray, geometry: Geometry, *, drawn_on="pet", uncertainty_mm=1.5) -> MaskLayer:
    return MaskLayer(LabelMap(labels.astype(np.uint16), geometry), drawn_on, "made for a test", uncertainty_mm)


class Case:
    """A liver ball of radius 54 mm (660 ml) with normal uptake 5 and lesion balls in it, on a 3 mm grid."""

    centre = np.array([72.0, 72.0, 72.0])
    reference_centre = (72.0, 44.0, 72.0)

    def __init__(self, lesions=((96.0, 12.0, 20.0),), noise=0.0, seed=0, shape=(49, 49, 49)) -> None:
        self.geometry = grid(shape)
        self.liver = ball(self.geometry, self.centre, 54.0)
        self.suv = np.where(self.liver, 5.0, 1.0)
        self.labels = np.zeros(shape, dtype=np.uint16)
        for number, (x, radius, uptake) in enumerate(lesions, start=1):
            place = ball(self.geometry, (x, 72.0, 72.0), radius)
            self.suv[place] = uptake
            self.labels[place] = number
        if noise:
            self.suv = self.suv * (1 + noise * np.random.default_rng(seed).standard_normal(shape))
        self.region = ReferenceRegion("liver", "sphere", self.reference_centre, 30.0)

    def segmentations(self, **changes) -> Segmentations:
        made = Segmentations(
            "made",
            layer(self.liver, self.geometry),
            layer(self.labels, self.geometry),
            (self.region,),
        )
        return replace(made, **changes)

    def volumes(self, **changes) -> StudyVolumes:
        return study(self.suv, self.geometry, **changes)
