"""Caveats as data: every named flag, with its sentence and the verdicts that it limits.

A flag is made by `raise_flag` from its code and the values that its sentence needs, so each wording is here once and a
viewer can list them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.config.protocol import RULES, Rule, TrialProtocol
from dotaliver.frozen import FrozenModel

__all__ = ["FLAGS", "Flag", "FlagKind", "in_protocol", "raise_flag"]

_BURDEN: tuple[Rule, ...] = ("EXC4",)
_UPTAKE: tuple[Rule, ...] = ("INC7", "EXC6")
_PET: tuple[Rule, ...] = ("INC7", "EXC4", "EXC6", "DOM")


class Flag(FrozenModel):
    """One caveat about one study or lesion."""

    code: str
    sentence: str
    weakens: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlagKind:
    """What a flag says: a sentence with named gaps, and the verdicts that it weakens."""

    sentence: str
    weakens: tuple[Rule, ...] = ()


FLAGS: dict[str, FlagKind] = {
    # What the folder held
    "NO_CT": FlagKind(
        "There is no CT: the liver was outlined on uptake alone, and sizes are extents on PET.",
        ("EXC4", "INC4", "EXC6"),
    ),
    "CT_IN_ANOTHER_FRAME": FlagKind(
        "The CT (series {series}) has another frame of reference than the PET and was left out; --ct overrides this.",
        ("EXC4", "INC4", "EXC6"),
    ),
    "CT_FRAME_ASSUMED": FlagKind(
        "The CT (series {series}) has another frame of reference than the PET and was used at the user's request.",
        ("EXC4", "INC4", "EXC6"),
    ),
    "CT_COVERS_PET_PARTLY": FlagKind(
        "The CT covers only {percent:.0f} % of the PET's field of view.", ("EXC4", "EXC6")
    ),
    "FILES_LEFT_OUT": FlagKind("{count} file(s) were not DICOM objects and were left out."),
    "LINKS_LEFT_OUT": FlagKind(
        "{count} symbolic link(s) lead out of the study's folder or nowhere and were not followed; series behind them "
        "were not read. Copy them into the folder, or give the folder they point to.",
        RULES,
    ),
    "INSTANCES_SET_ASIDE": FlagKind("Images of {series} that are not slices of its volume were set aside: {what}."),
    "PATIENT_IDENTITY_MISSING": FlagKind(
        "The files have no Patient ID (0010,0020), so it could not be verified that CT and PET are of one patient.",
        RULES,
    ),
    # Who may be judged
    "TRACER_NOT_SSTR": FlagKind(
        "The tracer is {tracer}, not a somatostatin-receptor ligand: the trial's receptor criteria cannot be "
        "read from this scan.",
        _PET,
    ),
    "TRACER_UNKNOWN": FlagKind(
        "The tracer in the header ({tracer}) is not a known somatostatin-receptor ligand.", _PET
    ),
    "NUCLIDE_NOT_68GA": FlagKind(
        "The nuclide is {nuclide}, not {wanted}: eligibility cannot be judged on a scan after therapy or with another "
        "agent.",
        _PET,
    ),
    "NUCLIDE_UNKNOWN": FlagKind("The header does not name the radionuclide.", _PET),
    "JUDGED_ON_REQUEST": FlagKind(
        "The receptor criteria were judged at the user's request, although tracer or nuclide are not the protocol's.",
        _PET,
    ),
    # How the PET was made
    "UPTAKE_TIME_OUT_OF_RANGE": FlagKind(
        "The scan began {minutes:.0f} min after injection; the protocol's window is {low:.0f} to {high:.0f} min.",
        _UPTAKE,
    ),
    "ACTIVITY_OUT_OF_RANGE": FlagKind(
        "The injected activity was {mbq:.0f} MBq; the usual range is {low:.0f} to {high:.0f} MBq.", _UPTAKE
    ),
    "NOT_ATTENUATION_CORRECTED": FlagKind("The PET is not corrected for attenuation.", _PET),
    "NOT_SCATTER_CORRECTED": FlagKind("The PET is not corrected for scatter.", _PET),
    "CORRECTIONS_UNKNOWN": FlagKind("The PET header does not list the corrections applied (0028,0051).", _PET),
    "VOXELS_LARGE": FlagKind("PET voxels of {mm:.1f} mm (limit {limit:.1f} mm) blur small lesions.", ("INC7", "EXC4")),
    "SLICES_THICK": FlagKind("{modality} slices of {mm:.1f} mm exceed {limit:.0f} mm.", ("EXC4", "INC4")),
    "DATE_INVALID": FlagKind("{element} is not a date in every slice; it was left out."),
    "TIME_UNREADABLE": FlagKind("Injection and scan times could not be read: {why}.", _UPTAKE),
    # SUV calculation
    "WEIGHT_ASSUMED": FlagKind("The body weight {kg:g} kg was given by the user, not by the files."),
    "DOSE_ASSUMED": FlagKind("The injected activity {mbq:g} MBq was given by the user, not by the files."),
    "DOSE_READ_AS_MBQ": FlagKind(
        "Radionuclide Total Dose (0018,1074) {value:g} was read as MBq, the only plausible unit.", _UPTAKE
    ),
    "WEIGHT_READ_AS_GRAMS": FlagKind(
        "Patient's Weight (0010,1030) {value:g} was read as grams, the only plausible unit."
    ),
    "HALF_LIFE_FROM_NUCLIDE": FlagKind(
        "The half-life is missing and was taken from the coded nuclide {nuclide}: {seconds:g} s."
    ),
    "HALF_LIFE_UNUSUAL": FlagKind(
        "The header's half-life {seconds:g} s differs by {percent:.1f} % from that of {nuclide}.", _UPTAKE
    ),
    "INJECTION_DATE_ASSUMED": FlagKind(
        "The injection date is missing; {date} was assumed, the last possible day before the scan."
    ),
    "PRIVATE_TIME_IGNORED": FlagKind(
        "The private scan time of {vendor} contradicts the public dates and was not used."
    ),
    "REFERENCE_TIMES_DIFFER": FlagKind(
        "Two valid derivations of the decay reference time differ by {percent:.1f} % of SUV ({first} and {second}).",
        _UPTAKE,
    ),
    "INJECTION_DATE_CONTRADICTS": FlagKind(
        "Radiopharmaceutical Start DateTime (0018,1078) is after the scan; {date} was assumed, the last possible day "
        "before the scan.",
        _UPTAKE,
    ),
    "INJECTION_DATE_UNSURE": FlagKind(
        "The injection date is missing, and {nuclide} can be imaged days after injection; the last possible day before "
        "the scan was assumed.",
        _UPTAKE,
    ),
    "INJECTION_TIMES_DIFFER": FlagKind(
        "Radiopharmaceutical Start DateTime (0018,1078) {used} and Start Time (0018,1072) {other} differ; the first "
        "was used, the second would change SUV by {percent:.1f} %.",
        _UPTAKE,
    ),
    "INJECTION_ASSUMED": FlagKind("The time of injection {time} was given by the user, not by the files."),
    "DECAY_CORRECTION_GIVEN": FlagKind("Decay Correction (0054,1102) {value} was given by the user, not by the files."),
    "REFERENCE_TIME_GIVEN": FlagKind("The decay reference time {time} was given by the user, not by the files."),
    "REFERENCE_TIME_ASSUMED": FlagKind(
        "The files give no decay reference time; the earliest acquisition time {time} was assumed.", _UPTAKE
    ),
    "HEIGHT_ASSUMED": FlagKind("The body height {m:g} m was given by the user, not by the files."),
    "HEIGHT_READ_AS_CM": FlagKind(
        "Patient's Size (0010,1020) {value:g} was read as centimetres, the only plausible unit.", _UPTAKE
    ),
    "SEX_OTHER": FlagKind(
        "Patient's Sex (0010,0040) is O: the mean of the formulas for men and women was used.", _UPTAKE
    ),
    "PHILIPS_FACTORS_DIFFER": FlagKind(
        "Philips' SUV factor (7053,1000) and activity factor (7053,1009) give SUVs that differ by {percent:.1f} %; "
        "the first was used.",
        _UPTAKE,
    ),
    "RELATIVE_UNITS": FlagKind("Uptake is in relative units: ratios and burden are valid, SUVs are left empty.", ()),
    # The masks
    "OUTLINES_OVERLAP": FlagKind(
        "Outlines of the lesion mask overlap in {voxels} voxels ({ml:.1f} ml); each counts for one lesion only.",
        ("INC4",),
    ),
    "OUTLINES_LEFT_OUT": FlagKind(
        "{count} of {of} outlines of the lesion mask are not lesions by their type, code or name and were left out."
    ),
    "OUTLINE_SPARSE": FlagKind(
        "An outline of the mask has contours {mm:.1f} mm apart on slices of {slice_mm:.1f} mm; between them it was "
        "continued.",
        ("EXC4", "INC4"),
    ),
    "OUTLINE_WITH_GAPS": FlagKind(
        "An outline of the mask has no contour on {count} slice(s) between others that it is drawn on; they were left "
        "empty.",
        ("EXC4", "INC4"),
    ),
    "CONTOURS_NOT_CLOSED": FlagKind(
        "{count} contours of the mask are points or open lines, which enclose nothing; they were left out."
    ),
    "LIVER_NOT_FOUND": FlagKind("The liver was not found: {reason}.", _PET),
    "LIVER_FROM_PET_ALONE": FlagKind("The liver was outlined on uptake alone.", ("EXC4", "EXC6")),
    "LIVER_FROM_CT_ALONE": FlagKind("The liver was outlined on CT alone; uptake did not confirm it.", ("EXC4",)),
    "LIVER_CUT_BY_FIELD_OF_VIEW": FlagKind(
        "The liver is cut by the {side} end of the field of view over {area_cm2:.0f} cm².", _PET
    ),
    "LIVER_PARTLY_OFF_PET": FlagKind("{percent:.0f} % of the liver lies outside the PET.", _PET),
    "LIVER_VOLUME_UNUSUAL": FlagKind("The liver measures {ml:.0f} ml, outside {low:.0f} to {high:.0f} ml.", _BURDEN),
    "LIVER_OUTLINE_DISPUTED": FlagKind(
        "A second, independent outline disputes the liver outline (Dice {agreement:.2f}): {places}. Check it there.",
        ("INC7", "EXC4", "EXC6", "DOM"),
    ),
    "PET_CT_MISMATCH": FlagKind(
        "The liver is displaced by {mm:.0f} mm between CT and PET (breathing).", ("EXC4", "EXC6")
    ),
    "PET_CT_MISMATCH_UNKNOWN": FlagKind(
        "The displacement of the liver between CT and PET could not be estimated.", ("EXC4", "EXC6")
    ),
    "LESIONS_NOT_BOUND_BY_LIVER": FlagKind(
        "Without a liver outline, foci of uptake are listed as candidates; they count for no burden and no verdict.",
        _PET,
    ),
    "MASK_PARTLY_OUTSIDE_LIVER": FlagKind("{percent:.0f} % of the lesion mask lies outside the liver.", _BURDEN),
    # The normal liver
    "REFERENCE_SPHERE_SMALL": FlagKind(
        "No 3 cm sphere of normal liver was found; one of {mm:.0f} mm was used.", _UPTAKE
    ),
    "REFERENCE_LOW_MODE": FlagKind(
        "No sphere of normal liver fits; the lower histogram peak of liver uptake was used.", _UPTAKE
    ),
    "REFERENCE_NOT_FOUND": FlagKind("No normal liver was found: {reason}. A reader can place the reference.", _UPTAKE),
    "REFERENCE_UPTAKE_UNUSUAL": FlagKind(
        "Normal liver has SUVmean {suv:.1f}, outside the usual {low:.1f} to {high:.1f}.", ("INC7", "EXC4", "EXC6")
    ),
    "REFERENCE_BY_READER": FlagKind("The normal-liver reference was placed by {reader}."),
    "NORMAL_LIVER_SCATTER_IMPLAUSIBLE": FlagKind(
        "The 1 ml means of normal liver vary by {percent:.0f} % of their mean, more than noise explains "
        "({limit:.0f} %): the reference or the liver outline includes other tissue.",
        ("INC7", "EXC4", "EXC6"),
    ),
    "NORMAL_LIVER_RANGE_NOT_CHECKED": FlagKind(
        "Without SUV by body weight it could not be checked whether the assumed normal liver lies within the range of "
        "normal livers (SUVmean {low:g} to {high:g}).",
        ("EXC4",),
    ),
    "LESIONS_NOT_STATED_COMPLETE": FlagKind(
        "Whether the lesion mask includes every lesion of the liver has not been stated "
        "(--lesions-complete, or 'lesions_complete' in the edits).",
        ("INC7", "EXC4", "INC4", "EXC6", "DOM"),
    ),
    "UPTAKE_OUTSIDE_OUTLINES": FlagKind(
        "Uptake over 1 ml reaches {mean:.1f}, above {limit:.1f}, {place}, outside every lesion outline.",
        ("EXC4", "DOM"),
    ),
    "REFERENCE_NOISE_ASSUMED": FlagKind(
        "Too little lesion-free liver to measure its noise; {percent:.0f} % of the mean was assumed.",
        ("INC7",),
    ),
    "NORMAL_LIVER_UNSURE": FlagKind(
        "Liver with clearly less uptake than the assumed normal liver amounts to {percent:.0f} % of it: the assumed "
        "normal liver may be tumour.",
        ("INC7", "EXC4", "EXC6"),
    ),
    "NORMAL_LIVER_MAY_BE_HIGHER": FlagKind(
        "Only {ml:.0f} ml of even uptake were left to take as normal liver; {higher_ml:.0f} ml take up {ratio:.1f} "
        "times as much, which is usual for a normal liver too: what was taken as tumour may be normal liver.",
        ("INC7", "EXC4", "EXC6"),
    ),
    "ANALOGUE_LONG_ACTING": FlagKind(
        "A long-acting somatostatin analogue was given{when}: it lowers uptake of normal liver (SUVmax 10.3 to 8.0) "
        "and spleen (30.3 to 23.1) with stable disease (Cherk 2018), so ratios to liver rise without change of "
        "disease."
    ),
    "ANALOGUE_SHORT_ACTING": FlagKind(
        "A short-acting somatostatin analogue was given{when}: unless it was paused for a day, it lowers uptake."
    ),
    "ANALOGUE_NEAR_LIMIT": FlagKind(
        "The hottest lesion exceeds the upper limit of normal liver by {percent:.0f} %; a long-acting analogue alone "
        "raises ratios to liver by about {rise:.0f} %.",
        ("INC7",),
    ),
    "TUMOUR_SINK": FlagKind(
        "Tumour holds {percent:.0f} % of the injected activity, which leaves less for normal liver (tumour sink): its "
        "uptake is low, and ratios to it are high.",
        _UPTAKE,
    ),
    # The FDG scan
    "FDG_DAYS_APART": FlagKind("The FDG scan was acquired {days} day(s) {side} the receptor scan."),
    "FDG_DAYS_APART_MANY": FlagKind(
        "The FDG scan was acquired {days} days {side} the receptor scan; beyond {most} days no NETPET grade is "
        "proposed."
    ),
    "FDG_DAYS_UNKNOWN": FlagKind(
        "How many days lie between the FDG scan and the receptor scan is unknown, so no NETPET grade is proposed."
    ),
    "FDG_SAME_DAY": FlagKind(
        "Both PETs are of the same day: activity of the tracer that was given first may show on the other."
    ),
    "FDG_OTHER_POSITION": FlagKind(
        "The patient lay otherwise for the FDG scan ({fdg}) than for the receptor scan ({scored})."
    ),
    "FDG_SUV_UNKNOWN": FlagKind("The FDG scan gives no SUV, so its uptake is stated relative to liver alone: {why}"),
    "FDG_LIVER_UNUSUAL": FlagKind(
        "Normal liver has SUVmean {suv:.1f} on the FDG scan, outside the usual {low:.1f} to {high:.1f}."
    ),
    "FDG_PART_UNALIGNED": FlagKind(
        "The FDG scan could not be aligned everywhere outside the liver; lesions there were not compared."
    ),
    # One lesion
    "PEAK_SPHERE_EXCEEDS_LESION": FlagKind("The 1 ml sphere of SUVpeak is larger than the lesion."),
    "LESION_AT_FIELD_EDGE": FlagKind("The lesion touches the edge of the field of view."),
    "LESION_AT_LIVER_BORDER": FlagKind("The lesion forms part of the liver's border.", ("INC7",)),
    "LESION_MERGES_WITH_NEIGHBOUR": FlagKind(
        "An organ outside the liver with higher uptake abuts lesion {label}: part of the outline may be that organ.",
        ("INC7", "EXC4"),
    ),
    "LESION_WHERE_OUTLINE_DISPUTED": FlagKind(
        "The lesion lies where a second, independent outline shows no liver.", ("INC7", "EXC4", "INC4", "EXC6")
    ),
    "LESION_OUTSIDE_LIVER": FlagKind("The lesion lies outside the liver."),
    "LESION_MEMBERSHIP_UNKNOWN": FlagKind("Whether the lesion lies in the liver is unknown."),
    "LESION_WITH_COLD_CORE": FlagKind("A core without uptake enclosed by the lesion counts as tumour ({ml:.1f} ml)."),
    "LESION_SMALLER_THAN_RESOLUTION": FlagKind(
        "The lesion is smaller than twice the PET's resolution: its uptake is underestimated."
    ),
    "LESION_ADDED_BY_CLICK": FlagKind(
        "The reader pointed at this lesion on CT or MR; the PET shows no outline there, and its uptake is that of its "
        "place."
    ),
    "LESION_DENSE_ON_CT": FlagKind(
        "{share:.0f} % of the lesion is as dense on CT as lipiodol, embolic agent or calcium. A treated lesion is not "
        "measurable unless it progressed: mark it as treated, or as progressed since.",
        ("INC4",),
    ),
    "LESION_BORDER_PARTIAL": FlagKind(
        "The reader pointed at this lesion, and the image shows its border only in part ({seen:.0f} % of it): its "
        "diameter has a wider interval; verify the outline or draw the diameter.",
        ("INC4",),
    ),
    "LESION_NOT_SEEN_ON_CT": FlagKind(
        "The lesion's border is not visible on CT: {reason}. Its size is the extent on PET, which is not a RECIST "
        "diameter.",
        ("INC4",),
    ),
    "BODY_LESION_NOT_MEASURED": FlagKind(
        "Not measured on CT: {reason}. Its size is the extent on PET, which is not a RECIST diameter.",
        ("INC4",),
    ),
    "RECIST_IMAGE_REGISTERED": FlagKind(
        "Lesions were located on the diagnostic CT (series {series}) by registering it to the PET's CT "
        "(similarity {similarity:.2f}): the liver lies {found_at}. Verify the identity of patient and lesions.",
        ("INC4",),
    ),
    "RECIST_MR_REGISTERED": FlagKind(
        "The MR (series {series}) was registered to the liver of the PET study, {found_at}; on simulated pairs, 95 % "
        "of places in the liver lay within {error:.0f} mm. Verify that each lesion measured on the MR is the one on "
        "PET.",
        ("INC4",),
    ),
    "DIAMETERS_ON_MR": FlagKind(
        "Diameters are measured on MR (series {series}), where the reader draws them or points at lesions: no other "
        "lesion is outlined and no candidate is searched for on MR.",
        ("EXC6",),
    ),
    "RECIST_MR_NOT_REGISTERED": FlagKind(
        "The MR (series {series}) was not registered, since no liver is outlined; whether a diameter drawn on it is "
        "that of its lesion was not checked.",
        ("INC4",),
    ),
    "DIAMETER_LEAVES_LESION": FlagKind("The longest diameter passes outside the lesion's outline."),
    "DIAMETER_NEAR_THRESHOLD": FlagKind(
        "The diameter lies within reader variation of the threshold of {mm:g} mm.", ("INC4",)
    ),
}


def raise_flag(code: str, **values: float | str) -> Flag:
    """Make a flag from its code; `values` fill the gaps of its sentence."""
    kind = FLAGS[code]
    return Flag(code=code, sentence=kind.sentence.format(**values), weakens=kind.weakens)


def in_protocol(flags: tuple[Flag, ...], protocol: TrialProtocol) -> tuple[Flag, ...]:
    """The same flags, naming the protocol's criteria in place of the rules that answer them."""
    ids = {criterion.rule: criterion.id for criterion in protocol.criteria}
    return tuple(
        flag.model_copy(update={"weakens": tuple(ids[rule] for rule in flag.weakens if rule in ids)}) for flag in flags
    )
