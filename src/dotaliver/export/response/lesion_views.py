"""Position of each lesion on each scan; where it was not found, the position in the registered liver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dotaliver.export.report.thumbnails import ThumbnailView
from dotaliver.image.geometry import Vector, as_vector
from dotaliver.longitudinal.assembly import ReadScans
from dotaliver.longitudinal.records import TrackedLesion
from dotaliver.longitudinal.scans import LoadedScan
from dotaliver.records.masks import Mismatch
from dotaliver.records.measurements import Diameter, Lesion
from dotaliver.records.positions import shift_between
from dotaliver.records.study import StudyVolumes

__all__ = ["LesionPlace", "view_of"]


@dataclass(frozen=True, eq=False)
class LesionPlace:
    """A lesion of the course on one scan."""

    lesion: TrackedLesion
    scan: LoadedScan
    number: int
    scans: ReadScans

    @property
    def labels(self) -> tuple[int, ...]:
        """Its labels there; empty where it was not found."""
        appearance = self.lesion.track.on(self.number)
        return () if appearance is None else appearance.labels

    @cached_property
    def largest(self) -> Lesion | None:
        """Its largest part there."""
        parts = [lesion for lesion in self.scan.score.lesions if lesion.label in self.labels]
        return max(parts, key=lambda part: part.volume_ml, default=None)

    @property
    def mismatch(self) -> Mismatch | None:
        """Where the scan's PET shows the liver, from its place on CT."""
        return self.scan.score.segmentation.mismatch

    @property
    def on_pet(self) -> Vector:
        """Its position on the PET, or where it would be."""
        if self.largest is None:
            first = self.scans.places_lps_mm[self.lesion.lesion]
            pose = self.scans.poses[self.number]
            return first if pose is None else as_vector(pose.places([first])[0])
        mask = next((m for m in self.scan.score.segmentation.masks if m.name == "lesions"), None)
        drawn_on = "pet" if mask is None else mask.drawn_on
        return _sum(self.largest.centroid_lps_mm, shift_between(drawn_on, "pet", self.mismatch))

    def diameter(self, *sources: str) -> Diameter | None:
        """Its diameter, where it comes from one of some sources."""
        found = None if self.largest is None else self.largest.diameter
        return found if found is not None and found.source in sources else None


def _sum(one: Vector, other: Vector) -> Vector:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def _middle(diameter: Diameter) -> Vector:
    a, b = diameter.long_axis_lps_mm
    return (0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1]), 0.5 * (a[2] + b[2]))


def view_of(place: LesionPlace, volumes: StudyVolumes) -> ThumbnailView:
    """The image to show: the measured CT or MR, else the scan's CT, else its PET."""
    scan = place.scan
    liver = scan.score.references.get("liver")
    upper = 3.0 * liver.suv_mean if liver is not None and liver.suv_mean else volumes.pet.max()
    recist = scan.score.study.recist_image
    measured = place.diameter("ct", "click", "reader")
    measured_on = None if measured is None else measured.series_instance_uid
    on_recist = recist is not None and measured_on == recist.series_instance_uid
    if measured is not None and volumes.recist_image is not None and on_recist:
        return ThumbnailView(volumes.recist_image, _middle(measured), scan.ct_lesions, place.labels, measured, upper)
    if volumes.ct is None:
        return ThumbnailView(volumes.pet, place.on_pet, scan.lesions, place.labels, place.diameter("pet"), upper)
    back = shift_between("pet", "ct", place.mismatch)
    if measured is None or recist is not None:
        outlines = scan.lesions.placed(scan.lesions.geometry.moved(back))
        return ThumbnailView(volumes.ct, _sum(place.on_pet, back), outlines, place.labels, None, upper)
    outlines = scan.ct_lesions or scan.lesions.placed(scan.lesions.geometry.moved(back))
    return ThumbnailView(volumes.ct, _middle(measured), outlines, place.labels, measured, upper)
