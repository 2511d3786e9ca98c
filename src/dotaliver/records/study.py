"""What the steps pass on: study, masks, reader's edits, measurements and verdicts.

Types that carry voxels are frozen dataclasses; everything that is stored is a `FrozenModel` and stands in
``score.json`` in these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from dotaliver.config.protocol import CriterionId
from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.records.flags import Flag
from dotaliver.suv.arithmetic import SuvArithmetic

__all__ = [
    "Acquisition",
    "Burden",
    "CtFocus",
    "CtSearch",
    "Decision",
    "Diameter",
    "DrawnOn",
    "Evidence",
    "Lesion",
    "LesionEdit",
    "Lobe",
    "LobePlane",
    "Lobes",
    "MaskLayer",
    "Mismatch",
    "Reader",
    "ReaderEdits",
    "Reference",
    "ReferenceEdit",
    "ReferenceRegion",
    "RestOfBody",
    "Segmentations",
    "SeriesIdentity",
    "StudyIdentity",
    "StudyVolumes",
    "Verdict",
    "VerdictEdit",
    "VerdictWord",
    "is_unseen_key",
    "unseen_key",
]

DrawnOn = Literal["ct", "pet"]
VerdictWord = Literal["met", "not_met", "indeterminate", "not_evaluable"]
EffectWord = Literal["supports", "excludes", "undecided"]
StatusWord = Literal["proposed", "confirmed", "overruled"]
DiameterSource = Literal["ct", "pet", "reader"]
LesionMark = Literal[
    "treated",
    "progressed_since_treatment",
    "cystic",
    "blastic_bone",
    "not_a_lesion",
    "node",
    "target",
    "receptor_negative",
]
Evidence = float | int | str | bool | None


# --- the study -------------------------------------------------------------------------------------------------


class SeriesIdentity(FrozenModel):
    """One image series that was used, and how its voxels can be told again."""

    modality: Literal["CT", "PT"]
    series_instance_uid: str
    series_number: int | None = None
    description: str | None = None
    sop_class_uid: str | None = None
    frame_of_reference_uid: str | None = None
    shape: tuple[int, int, int] = Field(description="Slices, rows, columns")
    spacing_mm: Vector = Field(description="Between slices, rows and columns, in mm")
    slice_thickness_mm: float | None = None
    sop_instance_uids: tuple[str, ...] = Field(description="In stack order, one per slice")
    pixel_sha256: str = Field(description="SHA-256 of the rescaled voxels in stack order")
    chosen_because: str = Field(description="Why this series and not another of its modality")


class StudyIdentity(FrozenModel):
    """Which study was scored; no patient name."""

    study_instance_uid: str
    study_date: str | None = Field(default=None, description="YYYY-MM-DD")
    study_description: str | None = None
    pet: SeriesIdentity
    ct: SeriesIdentity | None = None
    recist_ct: SeriesIdentity | None = Field(
        default=None, description="The diagnostic CT that diameters are measured on, where it is not the PET's own"
    )

    @property
    def measured_ct(self) -> SeriesIdentity | None:
        """The CT that diameters are measured on."""
        return self.recist_ct or self.ct


class Acquisition(FrozenModel):
    """How the PET came about, as its headers tell it; None where they do not."""

    manufacturer: str | None = None
    model: str | None = None
    tracer: str | None = None
    tracer_is_sstr: bool | None = Field(
        default=None,
        description="Whether the name is that of a somatostatin-receptor ligand; None: cannot tell",
    )
    nuclide: str | None = Field(default=None, description="Such as 68Ga")
    injected_activity_mbq: float | None = None
    injection: datetime | None = None
    scan_start: datetime | None = None
    uptake_time_min: float | None = None
    units: str | None = None
    decay_correction: str | None = None
    attenuation_corrected: bool | None = None
    scatter_corrected: bool | None = None
    corrections: tuple[str, ...] = ()
    reconstruction: str | None = None
    patient_weight_kg: float | None = None
    patient_height_m: float | None = None
    patient_sex: Literal["M", "F", "O"] | None = None
    patient_position: str | None = None
    ct_contrast_agent: str | None = None
    ct_kvp: float | None = None


@dataclass(frozen=True)
class StudyVolumes:
    """The images of one study, ready to be segmented and measured: the input of both halves of the pipeline.

    ``pet`` is in SUV (or relative units), on its own grid; ``ct`` in HU on its own grid, or absent.
    """

    pet: Volume
    ct: Volume | None
    identity: StudyIdentity
    acquisition: Acquisition
    suv: SuvArithmetic | None
    flags: tuple[Flag, ...] = ()
    recist_ct: Volume | None = None
    """A diagnostic CT that diameters are measured on, in HU on its own grid and in its own frame of reference."""
    # Only to refuse what belongs to another patient: it enters no record.
    patient_id: str | None = field(default=None, repr=False)
    # What several steps make of the images (the coarse ones), made once; it is gone with them.
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


# --- the masks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MaskLayer:
    """Labels with where they came from and how sure their border is.

    ``drawn_on`` says in which image's position the labels lie: breathing puts the liver at different places on
    CT and PET, so the same labels mean another place depending on the image that they were drawn on.
    """

    labels: LabelMap
    drawn_on: DrawnOn
    origin: str
    border_uncertainty_mm: float


def unseen_key(label: int) -> str:
    """Under which key `Segmentations.reasons` says why the CT does not show a lesion."""
    return f"lesion {label} on CT"


def is_unseen_key(key: str) -> bool:
    """Whether a key of `Segmentations.reasons` is one of these."""
    return key.startswith("lesion ") and key.endswith(" on CT")


class Mismatch(FrozenModel):
    """Where the liver lies on the PET, from its place on CT."""

    shift_lps_mm: Vector = Field(description="Added to a place on CT gives the place on PET, in mm")
    method: str


class LobePlane(FrozenModel):
    """The plane between right and left lobe of the liver, in the CT's position."""

    point_lps_mm: Vector
    normal_lps: Vector = Field(description="Unit vector to the patient's left: the left lobe lies on that side")
    landmark: str = Field(description="What the plane was laid through")


class CtSearch(FrozenModel):
    """What a search for focal lesions on CT could have seen; None where the liver could not be searched."""

    diameter_mm: float = Field(description="Of the lesion that the contrast is told for")
    liver_hu: float | None = Field(default=None, description="Median density of the liver")
    noise_hu: float | None = Field(default=None, description="SD between neighbouring places of 2 mm")
    visible_contrast_hu: float | None = Field(default=None, description="Below the liver, from which it is found")
    reason: str | None = Field(default=None, description="Why the liver could not be searched")


@dataclass(frozen=True)
class ReferenceRegion:
    """Where a reference organ's normal uptake is read: a sphere, a set of voxels, or nowhere and why."""

    organ: Literal["liver", "spleen", "blood_pool"]
    method: Literal["sphere", "small_sphere", "low_mode", "organ", "reader", "none"]
    centre_lps_mm: Vector | None = None
    diameter_mm: float | None = None
    region: LabelMap | None = field(default=None, repr=False)
    reason: str | None = None


@dataclass(frozen=True)
class Segmentations:
    """Everything that was outlined; the second half of the pipeline needs nothing else beside the images.

    ``liver`` is None where it was not found (``reasons["liver"]`` says why); ``lesions`` is None where they
    could not be looked for, and an empty label map where none was found. Lesion labels are the lesions' names:
    they are kept through editing, storing and reading back. ``ct_foci`` are focal lesions that CT shows and the PET
    does not outline, numbered far from the lesions; ``lobes`` is None where ``reasons["lobes"]`` says why.
    ``ct_lesions`` holds, under the lesions' labels, those whose border the CT shows, on the grid of the CT that
    diameters are measured on.
    """

    segmenter: str
    liver: MaskLayer | None
    lesions: MaskLayer | None
    references: tuple[ReferenceRegion, ...] = ()
    neighbours: Mapping[str, MaskLayer] = field(default_factory=dict)
    mismatch: Mismatch | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    ct_foci: MaskLayer | None = None
    ct_search: CtSearch | None = None
    lobes: LobePlane | None = None
    ct_lesions: MaskLayer | None = None

    def reference(self, organ: str) -> ReferenceRegion | None:
        """The region of one organ, if there is an entry for it."""
        return next((r for r in self.references if r.organ == organ), None)


# --- the reader ------------------------------------------------------------------------------------------------


class Reader(FrozenModel):
    """Who reads, and as what."""

    name: str = Field(min_length=1)
    role: str = Field(default="reader", min_length=1)


class ReferenceEdit(FrozenModel):
    """A reference sphere that a reader placed, in the position of the PET."""

    organ: Literal["liver", "spleen", "blood_pool"] = "liver"
    centre_lps_mm: Vector
    diameter_mm: float = Field(gt=0, le=100)


class DiameterEdit(FrozenModel):
    """A diameter that a reader drew: end points in patient coordinates, in mm."""

    long_axis_lps_mm: tuple[Vector, Vector]
    short_axis_lps_mm: tuple[Vector, Vector] | None = None


class LesionEdit(FrozenModel):
    """What a reader says of one lesion, named by its label."""

    label: int = Field(ge=1)
    marks: tuple[LesionMark, ...] = ()
    diameter: DiameterEdit | None = None
    comment: str | None = None


class RestOfBody(FrozenModel):
    """What a reader states of the body outside the liver; None where nothing is stated."""

    lesions: bool = Field(description="Whether there are tumour lesions outside the liver")
    uptake_above_liver: bool | None = None
    measurable: bool | None = None
    receptor_negative: bool | None = None


class VerdictEdit(FrozenModel):
    """A reader's answer to a criterion: confirms the proposal, or overrules it with a reason."""

    criterion: CriterionId
    verdict: VerdictWord
    reason: str | None = None


class ReaderEdits(FrozenModel):
    """Everything that a reader changed or stated, apart from painted masks."""

    schema_version: Literal["1"] = "1"
    reader: Reader | None = None
    made_at: datetime | None = None
    references: tuple[ReferenceEdit, ...] = ()
    lesions: tuple[LesionEdit, ...] = ()
    rest_of_body: RestOfBody | None = None
    checklist: dict[str, bool] = Field(default_factory=dict)
    verdicts: tuple[VerdictEdit, ...] = ()

    @field_validator("lesions")
    @classmethod
    def _one_edit_per_lesion(cls, value: tuple[LesionEdit, ...]) -> tuple[LesionEdit, ...]:
        labels = [edit.label for edit in value]
        if len(set(labels)) != len(labels):
            msg = "a lesion is edited twice; give each label once"
            raise ValueError(msg)
        return value

    @field_validator("verdicts")
    @classmethod
    def _one_answer_per_criterion(cls, value: tuple[VerdictEdit, ...]) -> tuple[VerdictEdit, ...]:
        ids = [edit.criterion for edit in value]
        if len(set(ids)) != len(ids):
            msg = "a criterion is answered twice; give each once"
            raise ValueError(msg)
        return value

    def lesion(self, label: int) -> LesionEdit:
        """What was said of one lesion; an edit without content where nothing was."""
        return next((edit for edit in self.lesions if edit.label == label), LesionEdit(label=label))

    def reference(self, organ: str) -> ReferenceEdit | None:
        """The sphere that a reader placed for an organ, if any."""
        return next((edit for edit in self.references if edit.organ == organ), None)


# --- the measurements ------------------------------------------------------------------------------------------


class Reference(FrozenModel):
    """Normal uptake of an organ, or why there is none."""

    organ: Literal["liver", "spleen", "blood_pool"]
    method: str
    suv_mean: float | None = None
    suv_sd: float | None = Field(default=None, description="SD between the region's voxels")
    suv_max: float | None = None
    volume_ml: float | None = None
    centre_lps_mm: Vector | None = None
    diameter_mm: float | None = None
    peak_sd: float | None = Field(default=None, description="S: SD of 1 ml sphere means over lesion-free parenchyma")
    peak_limit: float | None = Field(
        default=None, description="U: what the highest 1 ml mean of a lesion-free liver seldom exceeds"
    )
    peak_sd_spheres: int | None = Field(default=None, description="1 ml means that S was taken from")
    reason: str | None = Field(default=None, description="Why there is no value")


class Diameter(FrozenModel):
    """Longest in-plane diameter and the longest one across it, with end points in patient coordinates."""

    longest_mm: float
    short_mm: float | None
    source: DiameterSource
    long_axis_lps_mm: tuple[Vector, Vector]
    short_axis_lps_mm: tuple[Vector, Vector] | None = None
    inside_mm: float | None = Field(
        default=None, description="Longest chord inside the lesion, where the longest diameter leaves it"
    )
    inside_axis_lps_mm: tuple[Vector, Vector] | None = None
    slice_index: int | None = Field(default=None, description="Slice of the image that it lies on, from 0")
    series_instance_uid: str | None = Field(default=None, description="Image that it was measured on")
    sop_instance_uid: str | None = Field(default=None, description="Slice that it lies on")


class Lesion(FrozenModel):
    """One lesion, measured; uptake in the PET's unit (SUV), sizes in mm and ml."""

    label: int
    in_liver: bool | None
    liver_share: float | None = Field(description="Share of the lesion inside the liver, 0 to 1")
    suv_max: float | None
    suv_mean: float | None
    suv_peak: float | None
    suv_peak_centre_lps_mm: Vector | None
    volume_ml: float
    total_uptake: float | None = Field(description="SUVmean × volume, in SUV·ml")
    ratio_to_liver: float | None = Field(description="SUVpeak over normal-liver SUVmean")
    max_ratio_to_liver: float | None = Field(description="SUVmax over normal-liver SUVmean")
    mean_ratio_to_liver: float | None = Field(description="SUVmean over normal-liver SUVmean")
    krenning: str | None = Field(description="Modified Krenning grade on SUVpeak: 0 to 4, or '≥3' without a spleen")
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    diameter_source: DiameterSource | None
    diameter: Diameter | None
    pet_extent_mm: float | None = Field(description="Longest in-plane extent of the mask on the PET")
    ct_volume_ml: float | None = Field(default=None, description="Volume of the outline on CT, where the CT shows it")
    centroid_lps_mm: Vector
    capsule_distance_mm: float | None = Field(
        default=None, description="From the lesion's border to the liver's; 0 where it reaches it; None outside"
    )
    marks: tuple[LesionMark, ...] = ()
    flags: tuple[Flag, ...] = ()


class CtFocus(FrozenModel):
    """A focal lesion on CT that the PET does not outline; receptor-negative where its uptake is not above liver."""

    label: int
    in_liver: bool | None
    volume_ml: float
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    hu: float | None = Field(description="Median density on CT, HU")
    below_liver_hu: float | None = Field(description="How far that lies below the liver's, HU")
    suv_mean: float | None = Field(description="Highest mean over its place on the PET, moved by the remaining doubt")
    ratio_to_liver: float | None = Field(description="That mean over the normal-liver mean")
    above_liver: bool | None = Field(description="Whether that mean exceeds what normal liver reaches")
    centroid_lps_mm: Vector
    marks: tuple[LesionMark, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether a reader called it a receptor-negative lesion."""
        return "receptor_negative" in self.marks and "not_a_lesion" not in self.marks

    @property
    def candidate(self) -> bool:
        """Whether it may be receptor-negative tumour that nobody has judged yet."""
        judged = {"receptor_negative", "not_a_lesion", "cystic"} & set(self.marks)
        return self.in_liver is True and self.above_liver is not True and not judged


class Lobe(FrozenModel):
    """One lobe of the liver with its tumour."""

    liver_ml: float
    tumour_ml: float | None
    fraction: float | None = Field(description="0 to 1")


class Lobes(FrozenModel):
    """Right and left lobe, or why they cannot be told."""

    right: Lobe | None = None
    left: Lobe | None = None
    landmark: str | None = Field(default=None, description="What the plane between them was laid through")
    reason: str | None = Field(default=None, description="Why there are no lobes")


class Burden(FrozenModel):
    """Tumour in the liver over the liver with its tumours."""

    fraction: float | None = Field(description="0 to 1")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    tumour_ml: float | None
    liver_ml: float | None
    reason: str | None = Field(default=None, description="Why there is no value")


# --- the answers -----------------------------------------------------------------------------------------------


class Decision(FrozenModel):
    """What a reader decided about a verdict."""

    reader: str
    role: str
    made_at: datetime | None
    reason: str | None
    proposed: VerdictWord = Field(description="What the images had proposed")


class Verdict(FrozenModel):
    """The answer to one criterion, with its evidence."""

    criterion: CriterionId
    verdict: VerdictWord
    effect: EffectWord
    status: StatusWord = "proposed"
    scope: Literal["liver", "body"]
    liver_finding: VerdictWord | None = Field(description="What the liver alone shows")
    reason: str
    evidence: dict[str, Evidence] = Field(default_factory=dict)
    weakened_by: tuple[str, ...] = Field(default=(), description="Codes of the flags that weaken it")
    decision: Decision | None = None
