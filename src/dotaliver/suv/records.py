"""What SUV is worked out from, and the record of how: types and their lines, no arithmetic of decay."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, model_validator

from dotaliver.errors import SuvError
from dotaliver.frozen import FrozenModel
from dotaliver.suv.body_size import Body, Normalisation, body_size, size_formula
from dotaliver.suv.decay import DecayCorrection, FrameTiming

__all__ = ["CrossCheck", "PetUnits", "SuvArithmetic", "SuvInputs", "SuvStep"]


class PetUnits(StrEnum):
    """DICOM Units (0054,1001) that can be turned into SUV."""

    BQML = "BQML"
    CNTS = "CNTS"
    GML = "GML"
    CM2ML = "CM2ML"


class SuvInputs(FrozenModel):
    """What SUV needs, in SI units, with where each value came from; what the units do not need may be absent."""

    units: PetUnits = PetUnits.BQML
    normalisation: Normalisation = Field(default=Normalisation.BODY_WEIGHT, description="What SUV is wanted by")
    stored_normalisation: Normalisation = Field(
        default=Normalisation.BODY_WEIGHT, description="What voxels in g/ml or cm²/ml are normalised to"
    )
    suv_per_count: float | None = Field(default=None, gt=0, description="Philips (7053,1000)")
    bqml_per_count: float | None = Field(default=None, gt=0, description="Philips (7053,1009)")
    decay_correction: DecayCorrection | None = None
    weight_kg: float | None = Field(default=None, gt=0)
    height_m: float | None = Field(default=None, gt=0)
    sex: str | None = Field(default=None, pattern="^[MFO]$")
    dose_bq: float | None = Field(default=None, gt=0)
    half_life_s: float | None = Field(default=None, gt=0)
    injection: datetime | None = None
    series: datetime | None = None
    private_reference: datetime | None = Field(
        default=None, description="The vendor's own stamp of the instant that voxels are corrected to"
    )
    stated_reference: datetime | None = Field(default=None, description="The same, stated by the user")
    counts_to_start: bool = Field(
        default=False, description="Whether Frame Reference Time is counted to the frame's start (GE)"
    )
    frames: tuple[FrameTiming, ...] = Field(default=(), description="One per slice, in stack order")
    sources: dict[str, str] = Field(description="Field name -> DICOM element or option that gave it")

    @property
    def body(self) -> Body:
        """The patient's size."""
        return Body(weight_kg=self.weight_kg, height_m=self.height_m, sex=self.sex)


class SuvStep(FrozenModel):
    """One line of the arithmetic, as a physicist would write it down."""

    quantity: str
    value: str
    source: str


class CrossCheck(FrozenModel):
    """Another valid way to SUV, and what it would change."""

    source: str
    instant: datetime | None = Field(default=None, description="The decay reference by this way, where it has one")
    percent: float = Field(description="Change of SUV by this way, in percent")


class SuvArithmetic(FrozenModel):
    """How voxel values became SUV in one series."""

    normalisation: str = "body weight"
    units: PetUnits = PetUnits.BQML
    decay_correction: DecayCorrection | None = None
    weight_kg: float | None = None
    height_m: float | None = None
    sex: str | None = None
    dose_bq: float | None = None
    half_life_s: float | None = None
    injection: datetime | None = None
    reference: datetime | None = Field(
        default=None, description="The instant that voxels are corrected to; None where each frame has its own"
    )
    reference_assumed: bool = Field(default=False, description="Whether that instant is an assumption")
    elapsed_s: float | None = Field(default=None, description="From injection to reference, in s")
    slope_per_bqml: float | None = Field(
        default=None, description="SUV per Bq/ml; None where it differs between slices or is not needed"
    )
    slopes_per_bqml: tuple[float, ...] | None = Field(
        default=None, description="SUV per Bq/ml of each slice in stack order, where they differ"
    )
    suv_per_voxel_unit: float | None = Field(
        default=None, description="SUV per rescaled voxel value where that is not Bq/ml (counts, g/ml, cm²/ml)"
    )
    suvs_per_voxel_unit: tuple[float, ...] | None = Field(
        default=None, description="The same of each slice in stack order, where they differ"
    )
    alternative_percent: float | None = Field(
        default=None, description="Largest change of SUV by another valid way to it, in percent"
    )
    reference_source: str | None = Field(default=None, description="What gave the decay reference")
    cross_checks: tuple[CrossCheck, ...] = Field(default=(), description="Other valid ways to SUV")
    steps: tuple[SuvStep, ...]

    @model_validator(mode="after")
    def _one_or_several(self) -> SuvArithmetic:
        """Refuse a factor for all slices next to one for each: only one of them can be right."""
        for several, one, name in (
            (self.slopes_per_bqml, self.slope_per_bqml, "slopes_per_bqml"),
            (self.suvs_per_voxel_unit, self.suv_per_voxel_unit, "suvs_per_voxel_unit"),
        ):
            if several is not None and one is not None:
                msg = f"{name} are given with one factor for all slices; leave one of the two out"
                raise ValueError(msg)
        return self

    @property
    def voxel_factors(self) -> tuple[float, ...]:
        """SUV per rescaled voxel value: one number for all slices, or one for each in stack order.

        Raises
        ------
        SuvError
            Where the record holds no factor, which no arithmetic of this package leaves.
        """
        for several, one in (
            (self.suvs_per_voxel_unit, self.suv_per_voxel_unit),
            (self.slopes_per_bqml, self.slope_per_bqml),
        ):
            if several is not None:
                return several
            if one is not None:
                return (one,)
        msg = "the record holds no factor from voxel values to SUV; score the study again"
        raise SuvError(msg)


def clock_text(instant: datetime) -> str:
    """An instant in a step of the arithmetic."""
    return instant.isoformat(sep=" ", timespec="milliseconds" if instant.microsecond else "seconds")


def needed_dose_bq(inputs: SuvInputs) -> float:
    """The injected activity; `SuvError` where it is missing."""
    if inputs.dose_bq is None:
        msg = "Radionuclide Total Dose (0018,1074) is missing (or give --dose)"
        raise SuvError(msg)
    return inputs.dose_bq


def needed_half_life_s(inputs: SuvInputs) -> float:
    """The half-life; `SuvError` where it is missing."""
    if inputs.half_life_s is None:
        msg = "Radionuclide Half Life (0018,1075) is missing"
        raise SuvError(msg)
    return inputs.half_life_s


def wanted_size(inputs: SuvInputs) -> float:
    """Size of the body that SUV is wanted by, in g or cm²."""
    return body_size(inputs.normalisation, inputs.body)


def with_unit(normalisation: Normalisation, size: float) -> str:
    """A size of the body with its unit."""
    return f"{size:.8g} {'cm²' if normalisation is Normalisation.BODY_SURFACE else 'g'}"


def activity_text(activity_bq: float) -> str:
    """An activity in MBq, as it is prescribed and read.

    Examples
    --------
    >>> activity_text(1.565e8)
    '156.5 MBq'
    """
    return f"{activity_bq / 1e6:.6g} MBq"


def wanted_size_text(inputs: SuvInputs) -> str:
    """The same as `wanted_size`, with its unit."""
    return with_unit(inputs.normalisation, wanted_size(inputs))


def symbol(inputs: SuvInputs) -> str:
    """The symbol of the wanted SUV."""
    return {
        Normalisation.BODY_WEIGHT: "SUVbw",
        Normalisation.BODY_SURFACE: "SUVbsa",
        Normalisation.IDEAL_WEIGHT: "SUVibw",
    }.get(inputs.normalisation, "SUVlbm")


def body_steps(inputs: SuvInputs) -> tuple[SuvStep, ...]:
    """Weight, height and sex, as far as they are known."""
    source = inputs.sources.get
    steps = []
    if inputs.weight_kg is not None:
        value = f"{inputs.weight_kg:g} kg"
        steps.append(SuvStep(quantity="Body weight", value=value, source=source("weight_kg", "")))
    if inputs.height_m is not None:
        steps.append(SuvStep(quantity="Body height", value=f"{inputs.height_m:g} m", source=source("height_m", "")))
    if inputs.sex is not None:
        steps.append(SuvStep(quantity="Sex", value=inputs.sex, source=source("sex", "Patient's Sex (0010,0040)")))
    return tuple(steps)


def common_steps(inputs: SuvInputs) -> tuple[SuvStep, ...]:
    """What every path from activity begins with."""
    source = inputs.sources.get
    by_weight = inputs.normalisation is Normalisation.BODY_WEIGHT
    steps = [s for s in body_steps(inputs) if not by_weight or s.quantity == "Body weight"]
    if not by_weight:
        formula = size_formula(inputs.normalisation, inputs.body)
        name = f"Size by {inputs.normalisation.words}"
        steps.append(SuvStep(quantity=name, value=wanted_size_text(inputs), source=formula))
    for quantity, value, name in (
        ("Injected activity", None if inputs.dose_bq is None else activity_text(inputs.dose_bq), "dose_bq"),
        ("Half-life", None if inputs.half_life_s is None else f"{inputs.half_life_s:g} s", "half_life_s"),
        ("Injection", None if inputs.injection is None else clock_text(inputs.injection), "injection"),
        ("Decay correction", inputs.decay_correction, "decay_correction"),
    ):
        if value is not None:
            steps.append(SuvStep(quantity=quantity, value=str(value), source=source(name, "")))
    return tuple(steps)


def slope_step(inputs: SuvInputs, slope: float, formula: str) -> SuvStep:
    """The last line of a path from activity."""
    return SuvStep(quantity=f"{symbol(inputs)} per Bq/ml", value=f"{slope:.8g}", source=formula)


def reported_inputs(inputs: SuvInputs) -> dict[str, object]:
    """The inputs that a record shows."""
    return {
        "normalisation": inputs.normalisation.words,
        "units": inputs.units,
        "decay_correction": inputs.decay_correction,
        "weight_kg": inputs.weight_kg,
        "height_m": inputs.height_m,
        "sex": inputs.sex,
        "dose_bq": inputs.dose_bq,
        "half_life_s": inputs.half_life_s,
        "injection": inputs.injection,
    }


def activity_result(
    inputs: SuvInputs,
    slopes: list[float],
    steps: tuple[SuvStep, ...],
    *,
    reference: datetime | None = None,
    elapsed_s: float | None = None,
) -> SuvArithmetic:
    same = max(slopes) - min(slopes) <= 1e-12 * max(slopes)
    return SuvArithmetic.model_validate(
        reported_inputs(inputs)
        | {
            "reference": reference,
            "elapsed_s": elapsed_s,
            "slope_per_bqml": slopes[0] if same else None,
            "slopes_per_bqml": None if same else tuple(slopes),
            "steps": steps,
        }
    )
