"""The rules of SUV, element by element: what is accepted, converted and flagged, refused; `suv_rules.md` prints them.

The code is in `elements`, `suv_inputs`, `timing` and `dotaliver.suv.decay`; a test compares the page with this table,
and the flags named here with those that exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.records.flags import FLAGS

__all__ = ["RULES", "Rule", "rules_page"]


@dataclass(frozen=True)
class Rule:
    """One element: what it may hold, what is made of other contents, and the flags that an assumption raises."""

    element: str
    accepted: str
    converted: str = "nothing"
    flags: tuple[str, ...] = ()
    refused: str = "nothing"
    mended_by: str = ""


RULES = (
    Rule(
        "Units (0054,1001)",
        "BQML; CNTS with a factor of Philips; GML; CM2ML",
        refused="missing, PROPCNTS, PROPCPS, CPS, 1CM and any other; different units in one series",
        mended_by="`--relative`, where the units are proportional to activity",
    ),
    Rule(
        "SUV Type (0054,1006)",
        "with GML blank or BW; with CM2ML blank or BSA",
        "GML of LBM (Morgan), LBMJAMES128, LBMJANMA and IBW, and CM2ML (Du Bois), by the ratio of the two body sizes; "
        "for sex O the mean of both formulas",
        ("SEX_OTHER",),
        "BSA with GML, anything but BSA with CM2ML, unknown types",
    ),
    Rule(
        "Philips factor to SUV (7053,xx00), to activity (7053,xx09)",
        "a positive factor to SUV; without one, or without decay correction, a positive factor to activity; in any "
        "private block of the creator Philips PET Private Group",
        flags=("PHILIPS_FACTORS_DIFFER",),
        refused="both absent or 0; a factor to SUV alone with Decay Correction NONE; different factors in one series",
    ),
    Rule(
        "Decay Correction (0054,1102)",
        "START, ADMIN, NONE (each frame by its own time and duration); with GML and CM2ML also missing",
        refused="missing, other values, values that differ between slices; START or ADMIN where Corrected Image "
        "(0028,0051) lacks DECY, NONE where it lists it",
        flags=("DECAY_CORRECTION_GIVEN",),
        mended_by="`--decay-correction`",
    ),
    Rule(
        "Rescale Slope and Intercept (0028,1053), (0028,1052)",
        "a slope for every slice; intercept 0",
        refused="a missing slope, a slope of 0, another intercept",
    ),
    Rule(
        "Patient's Weight (0010,1030)",
        "3 to 400 kg (less where Patient's Size is in m)",
        "1000 to 400000 can only be grams",
        ("WEIGHT_READ_AS_GRAMS", "WEIGHT_ASSUMED"),
        "missing, 0, 400 to 1000; a weight that looks interchanged with the height; different in one series",
        "`--weight` in kg",
    ),
    Rule(
        "Patient's Size (0010,1020), where a formula needs it",
        "0.3 to 2.6 m",
        "100 to 260 can only be cm",
        ("HEIGHT_READ_AS_CM", "HEIGHT_ASSUMED"),
        "missing, or anything else",
        "`--height` in m",
    ),
    Rule(
        "Patient's Sex (0010,0040), where a formula needs it",
        "M, F; O as the mean of both",
        flags=("SEX_OTHER",),
        refused="missing or unknown",
    ),
    Rule(
        "Radiopharmaceutical Information Sequence (0054,0016)",
        "one item, equal in all slices; equal items count once",
        refused="several items that differ (two injections or two tracers), items that differ between slices",
        mended_by="`--dose` with `--injection`, for several injections of one tracer",
    ),
    Rule(
        "Timezone Offset From UTC (0008,0201), and the offset of any date and time (DT)",
        "times without an offset are local",
        "a date and time with an offset: to the zone of the series, which (0008,0201) states or two elements that show "
        "one instant, with an offset and without",
        ("PRIVATE_TIME_IGNORED",),
        "an offset that nothing ties to the local times, one that Start Time contradicts, zones that differ between "
        "slices (a vendor's private time is left out instead); a malformed time is refused and shown",
        "`--injection`, for the injection",
    ),
    Rule(
        "Radionuclide Total Dose (0018,1074)",
        "Bq, from 1 MBq to ten times the nuclide's highest plausible activity",
        "a number that only makes sense in MBq for this nuclide (68Ga 40 to 400, 18F 40 to 1000, 177Lu 2000 to 10000)",
        ("DOSE_READ_AS_MBQ", "DOSE_ASSUMED"),
        "missing, 0, plausible in neither",
        "`--dose` in MBq",
    ),
    Rule(
        "Radionuclide Half Life (0018,1075)",
        "seconds, within 1 % of that of the coded nuclide",
        "missing: that of the nuclide; within a factor of 3: used unchanged",
        ("HALF_LIFE_FROM_NUCLIDE", "HALF_LIFE_UNUSUAL"),
        "missing without a nuclide; off by more than a factor of 3 (another unit)",
    ),
    Rule(
        "Radiopharmaceutical Start DateTime (0018,1078), Start Time (0018,1072)",
        "date and time; a date with the other's time; a time on the day of the scan",
        "a time after the scan: on the day before; a date and time after the scan: on the day before, where that lies "
        "within three half-lives of the scan",
        (
            "INJECTION_DATE_ASSUMED",
            "INJECTION_DATE_CONTRADICTS",
            "INJECTION_DATE_UNSURE",
            "INJECTION_TIMES_DIFFER",
            "INJECTION_ASSUMED",
        ),
        "missing; after the scan; more than ten half-lives before it; a time alone of a nuclide that lasts over a day",
        "`--injection`",
    ),
    Rule(
        "The decay reference of START: Decay Correction DateTime (0018,9701) of enhanced PET, GE (0009,xx0D), Siemens "
        "(0071,xx22), Series Time (0008,0031), Acquisition Time (0008,0032) with Frame Reference Time (0054,1300) and "
        "Actual Frame Duration (0018,1242)",
        "in this order; Series Time only where it is not after the first acquisition; the others check the first",
        "private stamps are moved by the whole days between a private and a public stamp of one instant; where nothing "
        "else is left, the earliest Acquisition Time",
        ("PRIVATE_TIME_IGNORED", "REFERENCE_TIMES_DIFFER", "REFERENCE_TIME_ASSUMED", "REFERENCE_TIME_GIVEN"),
        "Acquisition Time missing in a slice; frames that contradict each other where nothing else is known",
        "`--reference-time`",
    ),
    Rule(
        "Actual Frame Duration (0018,1242), with Decay Correction NONE",
        "milliseconds, of every frame",
        refused="missing or 0",
    ),
)

_INTRODUCTION = """# SUV calculation

<!-- Made from dotaliver.dicom.pet.rules; a test fails where this page and the code differ. -->

A series is converted by the rules below or refused with one sentence that names the element; nothing is guessed.
An assumption is always flagged, and a value that the user gives is recorded in the configuration and flagged.
`dotaliver inspect` shows the whole arithmetic of a series, step by step.

All values but the frames' own times and the slices' slopes multiply every voxel by one number. They change each SUV
and no ratio, so the verdicts that rest on ratios (Inclusion 7, Exclusion 4) are unchanged; a flag still limits
the verdicts named in the last column, because a header that is wrong in one element deserves less trust in others
(the time of uptake among them). Measurements on CT do not depend on SUV at all.

| Element | Accepted | Converted | Refused | Remedy | Flags, and the verdicts that they limit |
| --- | --- | --- | --- | --- | --- |
"""

_RELATIVE = """
## Relative units

With `--relative` none of dose, weight and clock is needed: voxels are compared with each other only, and every SUV
stays empty (flag RELATIVE_UNITS). The series must be corrected for attenuation, hold units that are proportional to
activity (BQML, CNTS, CPS, PROPCNTS, PROPCPS, GML, CM2ML), and all its slices must share one reference time: Decay
Correction START or ADMIN, or NONE with one Acquisition Time and duration for all. It is refused where Frame Reference
Time shows that beds were corrected to different instants.

## Normalisations

`normalisation` in the configuration: `bw` (body weight, the default), `lbm_janmahasatian` and `lbm_james` (lean body
mass), `bsa` (body surface after Du Bois), `ibw` (ideal body weight). Each needs Patient's Size (0010,1020), and all but
`bsa` Patient's Sex (0010,0040).
"""


def _flags_cell(rule: Rule) -> str:
    """The flags of a rule with the verdicts that each weakens."""
    parts = []
    for code in rule.flags:
        weakened = ", ".join(FLAGS[code].weakens)
        parts.append(f"{code} ({weakened or 'none'})")
    return "; ".join(parts) or "none"


def rules_page() -> str:
    """The rules as a page of Markdown: the text of ``suv_rules.md``."""
    rows = [
        f"| {r.element} | {r.accepted} | {r.converted} | {r.refused} | {r.mended_by or 'another series'} "
        f"| {_flags_cell(r)} |"
        for r in RULES
    ]
    return _INTRODUCTION + "\n".join(rows) + "\n" + _RELATIVE
