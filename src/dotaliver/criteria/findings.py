"""What the criteria are judged on, and the words of an answer before it becomes a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.hotspots import HottestSphere
from dotaliver.records.edits import RestOfBody
from dotaliver.records.flags import Flag
from dotaliver.records.masks import CtSearch, DrawnOn
from dotaliver.records.measurements import Burden, CtFocus, Lesion, Reference
from dotaliver.records.study import Acquisition, SeriesIdentity
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = [
    "Findings",
    "Proposal",
    "answer_for_body",
    "uptake_elsewhere",
]


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
    ct_foci: tuple[CtFocus, ...] = ()
    ct_search: CtSearch | None = None

    @property
    def unplaced_lesions(self) -> tuple[Lesion, ...]:
        """Lesions that lie off the PET although there is a liver: whether it holds them is not known."""
        if not self.liver_found:
            return ()
        return tuple(x for x in self.lesions if x.in_liver is None and x.tumour)

    @property
    def judged_lesions(self) -> tuple[Lesion, ...]:
        """Lesions that may enter a verdict: their place is known, and no reader called them something else."""
        return tuple(x for x in self.lesions if x.in_liver is not None and x.tumour)

    @property
    def liver_lesions(self) -> tuple[Lesion, ...]:
        """Those of them that lie in the liver."""
        return tuple(x for x in self.judged_lesions if x.in_liver)


@dataclass(frozen=True)
class Proposal:
    """What the images (and a reader's statements) say to one criterion."""

    verdict: VerdictWord
    liver_finding: VerdictWord | None
    reason: str
    evidence: dict[str, Evidence] = field(default_factory=dict)
    deciding_flags: tuple[Flag, ...] = ()


def answer_for_body(liver_finding: VerdictWord, elsewhere: bool | None) -> VerdictWord:
    """The answer of a criterion that asks about lesions anywhere.

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


def uptake_elsewhere(rest: RestOfBody | None) -> bool | None:
    """Whether the reader states uptake above liver outside the liver; None where nothing is stated."""
    if rest is None:
        return None
    if rest.uptake_above_liver is not None:
        return rest.uptake_above_liver
    return None if rest.lesions else False
