"""What the steps pass on: study, masks, reader's edits, measurements and verdicts.

Types that carry voxels are frozen dataclasses; everything that is stored is a `FrozenModel` and stands in
``score.json`` in these words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.flags import Flag
from dotaliver.suv.arithmetic import SuvArithmetic
from dotaliver.system.recent import Recent

__all__ = [
    "Acquisition",
    "SeriesIdentity",
    "StudyIdentity",
    "StudyVolumes",
]

Made = TypeVar("Made")
# Several for each lesion of a liver full of them; each has the size of a lesion.
_RECENT_RESULTS = 512


# --- the study -------------------------------------------------------------------------------------------------


class SeriesIdentity(FrozenModel):
    """One image series that was used, with the hash that identifies its voxels."""

    modality: Literal["CT", "MR", "PT"]
    series_instance_uid: str
    series_number: int | None = None
    description: str | None = None
    sop_class_uid: str | None = None
    frame_of_reference_uid: str | None = None
    sequence: str | None = Field(
        default=None, description="MR only: weighting, contrast phase, echo and b-value, in words"
    )
    shape: tuple[int, int, int] = Field(description="Slices, rows, columns")
    spacing_mm: Vector = Field(description="Between slices, rows and columns, in mm")
    slice_thickness_mm: float | None = None
    sop_instance_uids: tuple[str, ...] = Field(description="In stack order, one per slice")
    pixel_sha256: str = Field(description="SHA-256 of the rescaled voxels in stack order")
    chosen_because: str = Field(description="Why this series and not another of its modality")

    @property
    def short_name(self) -> str:
        """The number of the series, and where there is none its UID."""
        return self.series_instance_uid if self.series_number is None else str(self.series_number)

    @property
    def name(self) -> str:
        """What to call the series in a sentence, as in "CT series 3"."""
        return f"{self.modality} series {self.short_name}"


class StudyIdentity(FrozenModel):
    """Which study was scored; no patient name."""

    study_instance_uid: str
    study_date: str | None = Field(default=None, description="YYYY-MM-DD")
    study_description: str | None = None
    pet: SeriesIdentity
    ct: SeriesIdentity | None = None
    recist_image: SeriesIdentity | None = Field(
        default=None, description="The diagnostic CT or MR that diameters are measured on, where it is not the PET's CT"
    )

    @property
    def measured_image(self) -> SeriesIdentity | None:
        """The CT or MR that diameters are measured on."""
        return self.recist_image or self.ct


class Acquisition(FrozenModel):
    """Acquisition of the PET, from its headers; None where they do not state it."""

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
    recist_image: Volume | None = None
    """A diagnostic CT (HU) or MR (units of signal) that diameters are measured on, on its own grid and in its own frame
    of reference."""
    fdg: StudyVolumes | None = None
    """An FDG PET/CT of the same patient, in its own position."""
    # Only to refuse images of another patient; not stored in the record.
    patient_id: str | None = field(default=None, repr=False)
    recent: Recent = field(default_factory=lambda: Recent(_RECENT_RESULTS), init=False, repr=False, compare=False)
    """What was last computed of these images and parts of masks, so that an edit elsewhere computes it no more."""
    _made: dict[tuple[Hashable, ...], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse anything but HU as the CT: rules of density run on it."""
        if self.ct is not None:
            self.ct.require(Quantity.HU)

    def once(self, make: Callable[..., Made], *options: Hashable) -> Made:
        """Result of a function of these images: computed at the first call, cached as long as they exist.

        Parameters
        ----------
        make : callable
            Is given these images and the options; a function of a module, so that it is the same at every call.
        options : hashable
            What else the answer depends on.
        """
        key = (make, *options)
        if key not in self._made:
            self._made[key] = make(self, *options)
        made: Made = self._made[key]
        return made
