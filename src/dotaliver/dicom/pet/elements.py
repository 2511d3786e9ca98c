"""The elements that SUV needs: read, held to each other, converted or refused (the rules: `suv_rules`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.elements import element_name, number, private_element, text, texts
from dotaliver.dicom.files.headers import SeriesHeaders
from dotaliver.dicom.pet.tracer import NUCLIDES, radiopharmaceutical
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.suv.arithmetic import DecayCorrection, PetUnits
from dotaliver.suv.body_size import Normalisation, Sex

__all__ = ["Patient", "SuvHeaderReader", "corrects_decay", "read_patient", "same_in_all"]

# What one kind of patient data can mean (see `suv_rules`).
_KG_BELOW, _GRAMS_ABOVE, _GRAMS_BELOW = 400.0, 1000.0, 400e3
_INTERCHANGED_KG, _METRES_BELOW, _CM_ABOVE, _CM_BELOW, _METRES_ABOVE = 3.0, 2.6, 100.0, 260.0, 0.3
_SMALLEST_DOSE_BQ = 1e6
_LARGEST_OF_RANGE = 10.0
# A half-life this much off that of its nuclide is flagged; by this factor off it is in another unit, or another's.
_HALF_LIFE_SHARE, _HALF_LIFE_FACTOR = 0.01, 3.0
_STORED = {
    None: Normalisation.BODY_WEIGHT,
    "BW": Normalisation.BODY_WEIGHT,
    "LBM": Normalisation.LEAN_MORGAN,
    "LBMJAMES128": Normalisation.LEAN_JAMES,
    "LBMJANMA": Normalisation.LEAN_JANMAHASATIAN,
    "IBW": Normalisation.IDEAL_WEIGHT,
}
_PHILIPS, _TO_SUV, _TO_ACTIVITY = "Philips PET Private Group", 0x00, 0x09


def same_in_all(series: SeriesHeaders, element: str | int) -> None:
    """Refuse a series whose slices contradict each other in an element of the whole series."""
    if len({texts(part.dataset, element) for part in series.slices}) > 1:
        msg = f"{series.name}: {element_name(element)} differs between slices; export the series again"
        raise AcquisitionError(msg)


def corrects_decay(series: SeriesHeaders) -> bool | None:
    """Whether Corrected Image (0028,0051) lists DECY; None where it is absent or blank."""
    found = {frozenset(c.upper() for c in values) for values in series.distinct("CorrectedImage")}
    lists = {"DECY" in corrections for corrections in found if corrections}
    if len(lists) > 1:
        msg = f"{series.name}: Corrected Image (0028,0051) lists DECY in some slices only; export the series again"
        raise AcquisitionError(msg)
    return lists.pop() if lists else None


class SuvHeaderReader:
    """What is gathered while the elements of one series are read: values' sources, flags, missing elements."""

    def __init__(self, series: SeriesHeaders, assume: AssumedValues, nuclide: str | None) -> None:
        self.series = series
        self.assume = assume
        self.nuclide = nuclide
        self.sources: dict[str, str] = {}
        self.flags: list[Flag] = []
        self.missing: list[str] = []

    def refuse(self, why: str) -> SuvError:
        """The refusal of this series."""
        return SuvError(f"{self.series.name}: {why}")

    def units(self) -> PetUnits | None:
        """Units (0054,1001), refused by name where they hold no activity."""
        same_in_all(self.series, "Units")
        units = text(self.series.first, "Units")
        if units is None:
            self.missing.append(element_name("Units"))
            return None
        if units not in PetUnits.__members__:
            msg = f"Units (0054,1001) is {units}, which holds no activity concentration; give a series in BQML"
            raise self.refuse(msg)
        return PetUnits(units)

    @property
    def stores_suv(self) -> bool:
        """Whether the voxels are SUV already."""
        return text(self.series.first, "Units") in {PetUnits.GML, PetUnits.CM2ML}

    def stored_normalisation(self, units: PetUnits) -> Normalisation:
        """What voxels in g/ml or cm²/ml are normalised to, by SUV Type (0054,1006)."""
        same_in_all(self.series, "SUVType")
        kind = text(self.series.first, "SUVType")
        name = element_name("SUVType")
        self.sources["stored_normalisation"] = f"Units (0054,1001) {units}, {name} {kind or 'blank'}"
        if units is PetUnits.CM2ML:
            if kind not in {None, "BSA"}:
                msg = f"Units (0054,1001) is CM2ML and {name} is {kind}, which contradict each other"
                raise self.refuse(msg)
            return Normalisation.BODY_SURFACE
        if kind not in _STORED:
            msg = f"Units (0054,1001) is {units} and {name} is {kind}, which is no SUV in that unit; correct the files"
            raise self.refuse(msg)
        return _STORED[kind]

    def philips_factor(self, offset: int, field: str) -> float | None:
        """A private factor of Philips; None where it is absent or 0."""
        element = private_element(self.series.first, 0x7053, _PHILIPS, offset)
        if element is None:
            return None
        same_in_all(self.series, element)
        value = number(self.series.first, element)
        if value is None or value <= 0:
            return None
        self.sources[field] = f"Philips' private factor {element_name(element)}"
        return value

    def philips_factors(self) -> tuple[float | None, float | None]:
        """Philips' factors to SUV and to activity."""
        return self.philips_factor(_TO_SUV, "suv_per_count"), self.philips_factor(_TO_ACTIVITY, "bqml_per_count")

    def decay_correction(self, *, needed: bool) -> DecayCorrection | None:
        """Decay Correction (0054,1102), held to Corrected Image (0028,0051)."""
        stated = self.assume.decay_correction
        if stated is not None:
            self.sources["decay_correction"] = "given by the user (--decay-correction)"
            self.flags.append(raise_flag("DECAY_CORRECTION_GIVEN", value=stated))
            return DecayCorrection(stated)
        same_in_all(self.series, "DecayCorrection")
        value = text(self.series.first, "DecayCorrection")
        name = element_name("DecayCorrection")
        if value is None:
            if needed:
                self.missing.append(name)
            return None
        if value not in DecayCorrection.__members__:
            msg = f"{name} is {value}, and not START, ADMIN or NONE; correct it in the files"
            raise self.refuse(msg)
        corrected = corrects_decay(self.series)
        if corrected is not None and corrected is (value == "NONE"):
            how = "lists DECY" if corrected else "does not list DECY"
            msg = (
                f"{name} is {value} and Corrected Image (0028,0051) {how}, which contradict each other; correct the "
                "files or give --decay-correction"
            )
            raise self.refuse(msg)
        self.sources["decay_correction"] = name
        return DecayCorrection(value)

    def weight_kg(self) -> float | None:
        """Body weight; None where it is missing."""
        if self.assume.weight_kg is not None:
            self.sources["weight_kg"] = "given by the user (--weight)"
            self.flags.append(raise_flag("WEIGHT_ASSUMED", kg=self.assume.weight_kg))
            return self.assume.weight_kg
        same_in_all(self.series, "PatientWeight")
        name = element_name("PatientWeight")
        value = number(self.series.first, "PatientWeight")
        if value is None or value <= 0:
            return None
        size = number(self.series.first, "PatientSize")
        if value < _INTERCHANGED_KG and size is not None and size > _INTERCHANGED_KG:
            msg = (
                f"{name} is {value:g} and Patient's Size (0010,1020) is {size:g}: they look interchanged; give --weight"
            )
            raise self.refuse(msg)
        self.sources["weight_kg"] = name
        if value <= _KG_BELOW:
            return value
        if _GRAMS_ABOVE < value <= _GRAMS_BELOW:
            self.flags.append(raise_flag("WEIGHT_READ_AS_GRAMS", value=value))
            return value / 1000.0
        msg = f"{name} is {value:g}, which is plausible neither in kg nor in g; correct it or give --weight"
        raise self.refuse(msg)

    def height_m(self) -> float | None:
        """Body height; None where it is missing."""
        if self.assume.height_m is not None:
            self.sources["height_m"] = "given by the user (--height)"
            self.flags.append(raise_flag("HEIGHT_ASSUMED", m=self.assume.height_m))
            return self.assume.height_m
        same_in_all(self.series, "PatientSize")
        value = number(self.series.first, "PatientSize")
        if value is None or value <= 0:
            return None
        self.sources["height_m"] = name = element_name("PatientSize")
        if _METRES_ABOVE <= value <= _METRES_BELOW:
            return value
        if _CM_ABOVE <= value <= _CM_BELOW:
            self.flags.append(raise_flag("HEIGHT_READ_AS_CM", value=value))
            return value / 100.0
        msg = f"{name} is {value:g}, which is plausible neither in m nor in cm; correct it or give --height"
        raise self.refuse(msg)

    def sex(self) -> Sex | None:
        """Patient's Sex (0010,0040); None where it is missing or unknown."""
        value = text(self.series.first, "PatientSex")
        return value if value in {"M", "F", "O"} else None  # type: ignore[return-value]

    def dose_bq(self) -> float | None:
        """Injected activity; None where it is missing."""
        if self.assume.dose_mbq is not None:
            self.sources["dose_bq"] = "given by the user (--dose)"
            self.flags.append(raise_flag("DOSE_ASSUMED", mbq=self.assume.dose_mbq))
            return self.assume.dose_mbq * 1e6
        item = radiopharmaceutical(self.series.first)
        name = element_name("RadionuclideTotalDose")
        value = None if item is None else number(item, "RadionuclideTotalDose")
        if value is None or value <= 0:
            return None
        self.sources["dose_bq"] = name
        known = NUCLIDES.get(self.nuclide or "")
        largest = None if known is None else _LARGEST_OF_RANGE * known.activity_mbq.high * 1e6
        if value >= _SMALLEST_DOSE_BQ and (largest is None or value <= largest):
            return value
        if known is not None and known.activity_mbq.holds(value):
            self.flags.append(raise_flag("DOSE_READ_AS_MBQ", value=value))
            return value * 1e6
        msg = f"{name} is {value:g}, which is plausible neither in Bq nor in MBq; correct it or give --dose"
        raise self.refuse(msg)

    def half_life_s(self) -> float | None:
        """Half-life; None where it is missing and the nuclide is unknown."""
        item = radiopharmaceutical(self.series.first)
        name = element_name("RadionuclideHalfLife")
        value = None if item is None else number(item, "RadionuclideHalfLife")
        known = NUCLIDES.get(self.nuclide or "")
        if value is None or value <= 0:
            if known is None:
                return None
            self.sources["half_life_s"] = f"physical half-life of {known.name}"
            flag = raise_flag("HALF_LIFE_FROM_NUCLIDE", nuclide=known.name, seconds=known.half_life_s)
            self.flags.append(flag)
            return known.half_life_s
        self.sources["half_life_s"] = name
        if known is None:
            return value
        ratio = value / known.half_life_s
        if not 1.0 / _HALF_LIFE_FACTOR < ratio < _HALF_LIFE_FACTOR:
            msg = f"{name} is {value:g} s and that of {known.name} is {known.half_life_s:g} s; correct it in the files"
            raise self.refuse(msg)
        if abs(ratio - 1) > _HALF_LIFE_SHARE:
            percent = 100.0 * abs(ratio - 1)
            self.flags.append(raise_flag("HALF_LIFE_UNUSUAL", seconds=value, percent=percent, nuclide=known.name))
        return value

    def require(self, named: Sequence[tuple[object, str]]) -> None:
        """Refuse the series where a value is missing; the text names all that are."""
        absent = [*self.missing, *(name for value, name in named if value is None)]
        if absent:
            raise self.refuse(f"SUV cannot be computed, for these are missing: {', '.join(absent)}")


@dataclass(frozen=True)
class Patient:
    """Weight, height and activity for the record of the acquisition; None where missing or not plausible."""

    weight_kg: float | None
    height_m: float | None
    activity_mbq: float | None


def read_patient(series: SeriesHeaders, assume: AssumedValues, nuclide: str | None) -> Patient:
    """The patient's data as far as they can be used, refusing nothing."""
    reading = SuvHeaderReader(series, assume, nuclide)
    found = []
    for read in (reading.weight_kg, reading.height_m, reading.dose_bq):
        try:
            found.append(read())
        except (SuvError, AcquisitionError):
            found.append(None)
    weight_kg, height_m, dose_bq = found
    return Patient(weight_kg, height_m, None if dose_bq is None else dose_bq / 1e6)
