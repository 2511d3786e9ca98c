"""What the criteria are judged on, and the words of an answer before it becomes a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Vector
from dotaliver.measurement.dominance import Dominance
from dotaliver.measurement.hotspots import HottestSphere
from dotaliver.measurement.uptake_place import UptakePlace
from dotaliver.records.body_record import BodyLesion, BodyRecord
from dotaliver.records.edits import RestOfBody
from dotaliver.records.flags import Flag
from dotaliver.records.liver_audit import LiverAudit
from dotaliver.records.masks import CtSearch, DrawnOn
from dotaliver.records.measurements import Burden, CtFocus, Lesion, Reference
from dotaliver.records.netpet import NetpetRecord
from dotaliver.records.study import Acquisition, SeriesIdentity
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = [
    "Findings",
    "Proposal",
    "answer_for_body",
    "label_of",
    "place_in_words",
    "stated_elsewhere",
    "unanswered_in_words",
]

_REMAINS = "remains open"
_DISPUTED = "LESION_WHERE_OUTLINE_DISPUTED"
_NOT_STATED_COMPLETE = "Whether the lesion mask includes every lesion of the liver has not been stated."


@dataclass(frozen=True)
class Findings:
    """Everything that was measured in one study, as the criteria need it."""

    acquisition: Acquisition
    ct: SeriesIdentity | None
    absolute_suv: bool
    references: dict[str, Reference]
    lesions: tuple[Lesion, ...]
    lesions_looked_for: bool
    liver_found: bool
    burden: Burden
    hottest: HottestSphere | None
    rest_of_body: RestOfBody | None
    config: ScoringConfig
    liver_seen: float = 1.0
    lesions_drawn_on: DrawnOn | None = None
    liver_cut: bool = False
    normal_unsure: bool = False
    higher_normal: float | None = None
    """The most common uptake of the liver, where that may be normal although less was taken as normal."""
    ct_foci: tuple[CtFocus, ...] = ()
    ct_search: CtSearch | None = None
    lesions_complete: bool = True
    """Whether the lesion mask holds every lesion of the liver that the PET shows."""
    lesions_searched: bool = True
    """Whether a program searched the whole liver for them, so that what it left out is faint or small."""
    unoutlined: HottestSphere | None = None
    """The hottest 1 ml of the liver that no lesion outline reaches."""
    faint: UptakePlace | None = None
    """The largest place without outline that is too faint to outline and too broad to be noise."""
    cold: UptakePlace | None = None
    """The largest place deep in the liver that takes up far less than it, and that nobody has judged on CT."""
    suvbw_per_unit: float | None = 1.0
    """SUV by body weight per unit of the PET; None in relative units."""
    liver_over_soft_tissue: float | None = None
    """Assumed normal liver over the median of soft tissue, where there is no SUV by body weight."""
    body: BodyRecord | None = None
    """The body outside the liver; None where it was not searched."""
    netpet: NetpetRecord | None = None
    """The same lesions on an FDG scan; None where there is none."""
    dominance: Dominance | None = None
    """Tumour volume in the liver and elsewhere, where it was measured."""
    liver_audit: LiverAudit | None = None
    """The liver outline, compared with a second one; None where there was none."""
    normal_disputed: bool = False
    """Whether normal liver was read where the liver outline is disputed."""
    reader_words: str = "the reader"
    """Name and role of the reader who made the statements, for use in a sentence."""

    @property
    def the_reader(self) -> str:
        """The same at the beginning of a sentence."""
        return self.reader_words[:1].upper() + self.reader_words[1:]

    @property
    def unplaced_lesions(self) -> tuple[Lesion, ...]:
        """Lesions that lie off the PET although there is a liver: whether it holds them is unknown."""
        if not self.liver_found:
            return ()
        return tuple(x for x in self.lesions if x.in_liver is None and x.tumour)

    @property
    def judged_lesions(self) -> tuple[Lesion, ...]:
        """Lesions that may enter a verdict: their location is known, and no reader called them something else."""
        known = tuple(x for x in self.lesions if x.in_liver is not None and x.tumour)
        return known + (() if self.body is None else self.body.confirmed)

    @property
    def body_read(self) -> bool:
        """Whether a reader has read the whole body on these images."""
        return self.body is not None and self.body.scope == "body"

    @property
    def denied_elsewhere(self) -> bool:
        """Whether a reader states that there are no lesions outside the liver."""
        return self.rest_of_body is not None and self.rest_of_body.lesions is False

    @property
    def outside_lesions(self) -> tuple[Lesion, ...]:
        """Lesions outside the liver that may enter a verdict: outlined, accepted or added."""
        return tuple(x for x in self.judged_lesions if not x.in_liver)

    @property
    def unanswered(self) -> str | None:
        """What waits for an answer outside the liver, in a sentence; None where nothing does."""
        return None if self.body is None else unanswered_in_words(self.body.candidates)

    def assessed_elsewhere(self, unknown: str) -> str:
        """What is known of the body outside the liver where a question about it is open, in a sentence.

        ``unknown`` is what was left open there, such as 'their uptake'.
        """
        if self.body_read:
            return f"{self.the_reader} has read the whole body; {unknown} outside the liver {_REMAINS}."
        if self.rest_of_body is None:
            return "Lesions elsewhere have not been assessed."
        return f"{self.the_reader} states lesions elsewhere; {unknown} has not been stated."

    @property
    def liver_lesions(self) -> tuple[Lesion, ...]:
        """Those of them that lie in the liver."""
        return tuple(x for x in self.judged_lesions if x.in_liver)

    @property
    def undisputed_lesions(self) -> tuple[Lesion, ...]:
        """Those that may enter a verdict without a doubt that their place is liver."""
        return tuple(x for x in self.judged_lesions if all(flag.code != _DISPUTED for flag in x.flags))

    @property
    def left_out(self) -> str | None:
        """Where the liver outline may leave out liver, as a sentence; None where it is undisputed."""
        if self.liver_audit is None:
            return None
        places = [place.words for place in self.liver_audit.places if place.kind == "left_out"]
        if not places:
            return None
        return f"The liver outline is disputed: {'; '.join(places)}, which was not searched."

    @property
    def unoutlined_uptake(self) -> str | None:
        """Uptake above U over 1 ml outside every outline, as a sentence that names the place; None where none is."""
        liver, place = self.references["liver"], self.unoutlined
        if place is None or liver.peak_limit is None or place.mean <= liver.peak_limit:
            return None
        where = place_in_words(place.centre_lps_mm)
        return (
            f"Uptake over 1 ml reaches {place.mean:.1f}, above {liver.peak_limit:.1f}, outside every lesion outline, "
            f"{where}."
        )

    @property
    def incomplete_mask(self) -> str | None:
        """Why the lesion mask may not hold every lesion of the liver, in a sentence; None where it may be relied on.

        A program's own search may leave out what is faint; what somebody states must agree with the images.
        """
        if not self.lesions_complete:
            return _NOT_STATED_COMPLETE
        if self.lesions_searched or self.unoutlined_uptake is None:
            return None
        return f"The lesion mask is stated to be complete. {self.unoutlined_uptake}"

    @property
    def implausible_normal(self) -> str | None:
        """Why the upper limit of normal liver cannot be trusted, in one sentence; None where it can."""
        if self.normal_disputed:
            return "Normal liver was measured where the liver outline is disputed, so its upper limit is uncertain."
        liver, limit = self.references["liver"], self.config.inc7.largest_relative_sd
        if liver.peak_sd is None or not liver.suv_mean or liver.peak_sd <= limit * liver.suv_mean:
            return None
        share = liver.peak_sd / liver.suv_mean
        return (
            f"The 1 ml means of normal liver vary by {100 * share:.0f} % of their mean, more than noise explains "
            f"({100 * limit:.0f} %), so its upper limit is uncertain."
        )


@dataclass(frozen=True)
class Proposal:
    """What the images (and a reader's statements) say about one criterion."""

    verdict: VerdictWord
    liver_finding: VerdictWord | None
    reason: str
    evidence: dict[str, Evidence] = field(default_factory=dict)
    deciding_flags: tuple[Flag, ...] = ()


def label_of(lesion: Lesion) -> int | str:
    """A lesion's label as evidence: the number of one in the lesion mask, the name of one outside the liver."""
    return lesion.name if isinstance(lesion, BodyLesion) else lesion.label


_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def _foci(count: int) -> str:
    number = _COUNTS[count] if count < len(_COUNTS) else str(count)
    return f"{number} {'focus' if count == 1 else 'foci'} outside the liver"


def unanswered_in_words(candidates: tuple[BodyLesion, ...]) -> str | None:
    """Candidates outside the liver that no reader has answered, in a sentence; None where there are none.

    Those that physiology explains are not mentioned, unless there are no others.
    """
    likely = sum(1 for x in candidates if x.likely == "metastasis")
    unsure = sum(1 for x in candidates if x.likely == "unsure")
    if likely:
        what = "is likely a metastasis" if likely == 1 else "are likely metastases"
        more = f", and {unsure} more may be" if unsure else ""
        return f"{_foci(likely)} {what}{more}; not yet confirmed."
    if unsure:
        what = "may be a metastasis" if unsure == 1 else "may be metastases"
        return f"{_foci(unsure)} {what}; not yet confirmed."
    if candidates:
        what = "is likely physiological" if len(candidates) == 1 else "are likely physiological"
        return f"{_foci(len(candidates))} {what}; not yet confirmed."
    return None


def answer_for_body(liver_finding: VerdictWord, elsewhere: bool | None) -> VerdictWord:
    """Answer a criterion that asks about lesions anywhere.

    Parameters
    ----------
    liver_finding
        What the liver alone shows.
    elsewhere
        Whether the rest of the body fulfils the criterion; None where nobody said so. The liver alone can prove
        such a criterion met, and never prove it not met.
    """
    if liver_finding == "met" or elsewhere:
        return "met"
    if liver_finding == "not_met":
        return "not_met" if elsewhere is False else "indeterminate"
    return liver_finding


def stated_elsewhere(rest: RestOfBody | None, answer: bool | None) -> bool | None:
    """A reader's statement on the body outside the liver; no lesions at all are none of any kind, too."""
    if answer is not None or rest is None:
        return answer
    return False if rest.lesions is False else None


def place_in_words(place_lps_mm: Vector) -> str:
    """A place in patient coordinates, as a reader says it and as a viewer takes it."""
    x, y, z = place_lps_mm
    words = (
        f"{abs(x):.0f} mm {'left' if x >= 0 else 'right'}",
        f"{abs(y):.0f} mm {'posterior' if y >= 0 else 'anterior'}",
        f"{abs(z):.0f} mm {'superior' if z >= 0 else 'inferior'}",
    )
    return f"{', '.join(words[:2])} and {words[2]} of the scanner's origin (LPS {x:.0f}, {y:.0f}, {z:.0f} mm)"
