"""The elements that SUV needs: read, checked against each other, converted or refused (the rules: `rules`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.elements import element_name, number, private_element, text, texts
from dotaliver.dicom.files.series_headers import SeriesHeaders
from dotaliver.dicom.pet.tracer import NUCLIDES, radiopharmaceutical
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.suv.arithmetic import DecayCorrection, PetUnits
from dotaliver.suv.body_size import Normalisation, Sex

__all__ = ["Patient", "Read", "SuvHeaderReader", "corrects_decay", "read_patient", "same_in_all"]

T_co = TypeVar("T_co", covariant=True)

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


@dataclass(frozen=True)
class Read(Generic[T_co]):
    """A value with the element or option that gave it, and what makes it doubtful; None where it is missing."""

    value: T_co | None = None
    source: str | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class SuvHeaderReader:
    """Reads the elements of one PET that SUV needs; what the user states counts in their place."""

    series: SeriesHeaders
    assume: AssumedValues
    nuclide: str | None

    def refuse(self, why: str) -> SuvError:
        """The refusal of this series."""
        return SuvError(f"{self.series.name}: {why}")

    def units(self) -> Read[PetUnits]:
        """Units (0054,1001), refused by name where they hold no activity."""
        same_in_all(self.series, "Units")
        units = text(self.series.first, "Units")
        if units is None:
            return Read()
        if units not in PetUnits.__members__:
            msg = f"Units (0054,1001) is {units}, which holds no activity concentration; give a series in BQML"
            raise self.refuse(msg)
        return Read(PetUnits(units), element_name("Units"))

    def stored_normalisation(self, units: PetUnits) -> Read[Normalisation]:
        """What voxels in g/ml or cm²/ml are normalised to, by SUV Type (0054,1006)."""
        same_in_all(self.series, "SUVType")
        kind = text(self.series.first, "SUVType")
        name = element_name("SUVType")
        source = f"Units (0054,1001) {units}, {name} {kind or 'blank'}"
        if units is PetUnits.CM2ML:
            if kind not in {None, "BSA"}:
                msg = f"Units (0054,1001) is CM2ML and {name} is {kind}, which contradict each other"
                raise self.refuse(msg)
            return Read(Normalisation.BODY_SURFACE, source)
        if kind not in _STORED:
            msg = f"Units (0054,1001) is {units} and {name} is {kind}, which is no SUV in that unit; correct the files"
            raise self.refuse(msg)
        return Read(_STORED[kind], source)

    def philips_factors(self) -> tuple[Read[float], Read[float]]:
        """Philips' private factors to SUV and to activity; without a value where they are absent or 0."""
        return self._philips_factor(_TO_SUV), self._philips_factor(_TO_ACTIVITY)

    def _philips_factor(self, offset: int) -> Read[float]:
        element = private_element(self.series.first, 0x7053, _PHILIPS, offset)
        if element is None:
            return Read()
        same_in_all(self.series, element)
        value = number(self.series.first, element)
        if value is None or value <= 0:
            return Read()
        return Read(value, f"Philips' private factor {element_name(element)}")

    def decay_correction(self) -> Read[DecayCorrection]:
        """Decay Correction (0054,1102), checked against Corrected Image (0028,0051)."""
        stated = self.assume.decay_correction
        if stated is not None:
            flag = raise_flag("DECAY_CORRECTION_GIVEN", value=stated)
            return Read(DecayCorrection(stated), "given by the user (--decay-correction)", (flag,))
        same_in_all(self.series, "DecayCorrection")
        value = text(self.series.first, "DecayCorrection")
        name = element_name("DecayCorrection")
        if value is None:
            return Read()
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
        return Read(DecayCorrection(value), name)

    def weight_kg(self) -> Read[float]:
        """Body weight."""
        if self.assume.weight_kg is not None:
            flag = raise_flag("WEIGHT_ASSUMED", kg=self.assume.weight_kg)
            return Read(self.assume.weight_kg, "given by the user (--weight)", (flag,))
        same_in_all(self.series, "PatientWeight")
        name = element_name("PatientWeight")
        value = number(self.series.first, "PatientWeight")
        if value is None or value <= 0:
            return Read()
        size = number(self.series.first, "PatientSize")
        if value < _INTERCHANGED_KG and size is not None and size > _INTERCHANGED_KG:
            msg = (
                f"{name} is {value:g} and Patient's Size (0010,1020) is {size:g}: they look interchanged; give --weight"
            )
            raise self.refuse(msg)
        if value <= _KG_BELOW:
            return Read(value, name)
        if _GRAMS_ABOVE < value <= _GRAMS_BELOW:
            return Read(value / 1000.0, name, (raise_flag("WEIGHT_READ_AS_GRAMS", value=value),))
        msg = f"{name} is {value:g}, which is plausible neither in kg nor in g; correct it or give --weight"
        raise self.refuse(msg)

    def height_m(self) -> Read[float]:
        """Body height."""
        if self.assume.height_m is not None:
            flag = raise_flag("HEIGHT_ASSUMED", m=self.assume.height_m)
            return Read(self.assume.height_m, "given by the user (--height)", (flag,))
        same_in_all(self.series, "PatientSize")
        value = number(self.series.first, "PatientSize")
        if value is None or value <= 0:
            return Read()
        name = element_name("PatientSize")
        if _METRES_ABOVE <= value <= _METRES_BELOW:
            return Read(value, name)
        if _CM_ABOVE <= value <= _CM_BELOW:
            return Read(value / 100.0, name, (raise_flag("HEIGHT_READ_AS_CM", value=value),))
        msg = f"{name} is {value:g}, which is plausible neither in m nor in cm; correct it or give --height"
        raise self.refuse(msg)

    def sex(self) -> Read[Sex]:
        """Patient's Sex (0010,0040); without a value where it is missing or unknown."""
        same_in_all(self.series, "PatientSex")
        value = text(self.series.first, "PatientSex")
        name = element_name("PatientSex")
        if value == "O":
            return Read("O", name, (raise_flag("SEX_OTHER"),))
        return Read(value, name) if value in {"M", "F"} else Read()  # type: ignore[arg-type]

    def dose_bq(self) -> Read[float]:
        """Injected activity."""
        if self.assume.dose_mbq is not None:
            flag = raise_flag("DOSE_ASSUMED", mbq=self.assume.dose_mbq)
            return Read(self.assume.dose_mbq * 1e6, "given by the user (--dose)", (flag,))
        item = radiopharmaceutical(self.series.first)
        name = element_name("RadionuclideTotalDose")
        value = None if item is None else number(item, "RadionuclideTotalDose")
        if value is None or value <= 0:
            return Read()
        known = NUCLIDES.get(self.nuclide or "")
        largest = None if known is None else _LARGEST_OF_RANGE * known.activity_mbq.high * 1e6
        if value >= _SMALLEST_DOSE_BQ and (largest is None or value <= largest):
            return Read(value, name)
        if known is not None and known.activity_mbq.holds(value):
            return Read(value * 1e6, name, (raise_flag("DOSE_READ_AS_MBQ", value=value),))
        msg = f"{name} is {value:g}, which is plausible neither in Bq nor in MBq; correct it or give --dose"
        raise self.refuse(msg)

    def half_life_s(self) -> Read[float]:
        """Half-life; that of the nuclide where the header does not give it."""
        item = radiopharmaceutical(self.series.first)
        name = element_name("RadionuclideHalfLife")
        value = None if item is None else number(item, "RadionuclideHalfLife")
        known = NUCLIDES.get(self.nuclide or "")
        if value is None or value <= 0:
            if known is None:
                return Read()
            flag = raise_flag("HALF_LIFE_FROM_NUCLIDE", nuclide=known.name, seconds=known.half_life_s)
            return Read(known.half_life_s, f"physical half-life of {known.name}", (flag,))
        if known is None:
            return Read(value, name)
        ratio = value / known.half_life_s
        if not 1.0 / _HALF_LIFE_FACTOR < ratio < _HALF_LIFE_FACTOR:
            msg = f"{name} is {value:g} s and that of {known.name} is {known.half_life_s:g} s; correct it in the files"
            raise self.refuse(msg)
        if abs(ratio - 1) <= _HALF_LIFE_SHARE:
            return Read(value, name)
        percent = 100.0 * abs(ratio - 1)
        return Read(value, name, (raise_flag("HALF_LIFE_UNUSUAL", seconds=value, percent=percent, nuclide=known.name),))


@dataclass(frozen=True)
class Patient:
    """Weight, height and activity for the record of the acquisition; None where missing or not plausible."""

    weight_kg: float | None
    height_m: float | None
    activity_mbq: float | None


def read_patient(series: SeriesHeaders, assume: AssumedValues, nuclide: str | None) -> Patient:
    """The patient's data as far as they can be used, refusing nothing."""
    reader = SuvHeaderReader(series, assume, nuclide)
    found: list[float | None] = []
    for read in (reader.weight_kg, reader.height_m, reader.dose_bq):
        try:
            found.append(read().value)
        except (SuvError, AcquisitionError):
            found.append(None)
    weight_kg, height_m, dose_bq = found
    return Patient(weight_kg, height_m, None if dose_bq is None else dose_bq / 1e6)
