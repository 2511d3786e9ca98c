"""One reading, measured: masks and edits in, the record out, by the pipeline's own two halves.

Nothing is measured here. What did not change since the last time is not asked for again: with the same masks only the
second half runs, and where only the reader's answers changed, they are laid on the proposals that stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dotaliver import __version__
from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria.eligibility import effect_of, with_readers_answers
from dotaliver.errors import ConfigError
from dotaliver.image.volume import LabelMap
from dotaliver.pipeline import Outcome, segment_study
from dotaliver.pipeline.run import clicked_in
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import LesionEdit, Reader, ReaderEdits, VerdictEdit
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.segmentation.corrections import Corrections, with_known_outlines, with_masks
from dotaliver.segmentation.lesions_on_ct import remember_lesions_on_ct
from dotaliver.system.progress import Progress
from napari_dotaliver.reading.packed import PackedLabels

__all__ = [
    "Measured",
    "Progress",
    "ReadingState",
    "Standing",
    "answered",
    "measure",
    "painted_lesions",
    "painted_liver",
    "proposals",
    "unanswered",
]

_ORIGIN = "reader"
_UNSIGNED = Reader(name="The reader", role="not signed yet")


@dataclass(frozen=True)
class ReadingState:
    """One step of a reading: masks that a reader drew (None: as they were found) and what else was edited."""

    liver: PackedLabels | None = None
    lesions: PackedLabels | None = None
    edits: ReaderEdits = field(default_factory=ReaderEdits)


@dataclass(frozen=True, eq=False)
class Standing:
    """The masks of a state, unpacked."""

    liver: LabelMap | None
    lesions: LabelMap


@dataclass(frozen=True, eq=False)
class Measured:
    """What a state gives: complete masks, the record, and the record before the reader's answers."""

    state: ReadingState
    segmentations: Segmentations
    proposed: StudyScore
    score: StudyScore
    withdrawn: tuple[str, ...] = ()
    """What could not be carried over, each in one sentence."""


def painted_liver(base: Segmentations, labels: LabelMap, has_ct: bool, config: ScoringConfig) -> MaskLayer:
    """A liver that a reader drew, as the pipeline takes an imported one."""
    drawn_on = base.liver.drawn_on if base.liver is not None else ("ct" if has_ct else "pet")
    return MaskLayer(labels, drawn_on, _ORIGIN, config.liver.border_uncertainty_imported_mm)


def painted_lesions(base: Segmentations, labels: LabelMap, config: ScoringConfig) -> MaskLayer:
    """Lesions that a reader drew, as the pipeline takes imported ones: the reader states whether they are all."""
    drawn_on = base.lesions.drawn_on if base.lesions is not None else "pet"
    return MaskLayer(labels, drawn_on, _ORIGIN, config.lesions.border_uncertainty_imported_mm)


def measure(
    outcome: Outcome, state: ReadingState, standing: Standing, before: Measured, progress: Progress
) -> Measured:
    """Complete the masks of a state, measure and judge them.

    Parameters
    ----------
    outcome : Outcome
        The record that is revised, with its images and masks.
    state, standing
        The step that is measured, and its masks.
    before : Measured
        The last measurement; what it shares with the new one is taken from it.
    progress : callable
        Is told each stage.
    """
    volumes, config, base = outcome.opened.volumes, outcome.score.config, outcome.segmentations.automatic
    same_masks = state.liver is before.state.liver and state.lesions is before.state.lesions
    if same_masks:
        found = before.segmentations.automatic
    elif state.liver is None and state.lesions is None:
        found = base
    else:
        liver = None
        if state.liver is not None and standing.liver is not None:
            liver = painted_liver(base, standing.liver, volumes.ct is not None, config)
        lesions = None if state.lesions is None else painted_lesions(base, standing.lesions, config)
        if liver is not None:
            # Of a stored score, what is far from the stroke is known.
            _remember_outlines(outcome)
        given = with_masks(base, Corrections(liver, lesions), config)
        given = with_known_outlines(given, before.segmentations.automatic, config)
        found = segment_study(volumes, config, given, progress, is_current=True)
    if same_masks and _places_of(state.edits) == _places_of(before.state.edits):
        state_edits, unfollowed, found = state.edits, (), before.segmentations
    else:
        found, state_edits, unfollowed = _with_clicks(outcome, found, state.edits, progress)
    state = ReadingState(state.liver, state.lesions, state_edits)
    edits, lost = _of_what_is_there(state, found, before)
    lost = (*unfollowed, *lost)
    if found is before.segmentations and proposals(edits) == proposals(before.state.edits) and not lost:
        proposed = before.proposed
    else:
        progress("measuring and judging")
        proposed = score_labels(volumes, found, proposals(edits), config, revises=outcome.score.record_id)
    edits, unanswered = _still_meant(edits, proposed)
    kept = ReadingState(state.liver, state.lesions, edits)
    return Measured(kept, found, proposed, answered(proposed, edits), (*lost, *unanswered))


def _remember_outlines(outcome: Outcome) -> None:
    """Let the outlines on CT of a stored score be known to its images; once, and where the same program found them."""
    volumes, found, score = outcome.opened.volumes, outcome.segmentations.automatic, outcome.score
    if score.provenance.dotaliver_version == __version__:
        volumes.recent.of("outlines of the stored score", lambda: remember_lesions_on_ct(volumes, found, score.config))


def _places_of(edits: ReaderEdits) -> tuple[object, ...]:
    """Everything that a reader pointed at: lesions in the liver, and those added outside."""
    added = (
        () if edits.body is None else tuple((p.place_lps_mm, p.size_mm, p.organ, p.region) for p in edits.body.added)
    )
    return (edits.clicks, added)


def _with_clicks(
    outcome: Outcome, found: Segmentations, edits: ReaderEdits, progress: Progress
) -> tuple[Segmentations, ReaderEdits, tuple[str, ...]]:
    """The masks with the lesions that were pointed at; clicks that lead nowhere any more are withdrawn."""
    volumes, config, base = outcome.opened.volumes, outcome.score.config, found.automatic
    try:
        return clicked_in(volumes, base, edits, config, progress), edits, ()
    except ConfigError:
        kept, lost = _still_leading(outcome, base, edits)
        return clicked_in(volumes, base, kept, config, progress), kept, lost


def _still_leading(outcome: Outcome, base: Segmentations, edits: ReaderEdits) -> tuple[ReaderEdits, tuple[str, ...]]:
    """The edits without the places from which nothing can be measured any more, and a sentence on each of those."""
    volumes, config, lost = outcome.opened.volumes, outcome.score.config, []
    body = edits.body
    kept = edits.model_copy(
        update={"clicks": (), "body": None if body is None else body.model_copy(update={"added": ()})}
    )
    for click in edits.clicks:
        tried = kept.model_copy(update={"clicks": (*kept.clicks, click)})
        try:
            clicked_in(volumes, base, tried, config)
            kept = tried
        except ConfigError as error:
            lost.append(f"A measurement by a click was withdrawn: {error}.")
    for point in () if body is None else body.added:
        assert kept.body is not None
        tried = kept.model_copy(update={"body": kept.body.model_copy(update={"added": (*kept.body.added, point)})})
        try:
            clicked_in(volumes, base, tried, config)
            kept = tried
        except ConfigError as error:
            lost.append(f"A lesion added outside the liver was withdrawn: {error}.")
    return kept, tuple(lost)


def proposals(edits: ReaderEdits) -> ReaderEdits:
    """The edits that what the images propose depends on: without answers, checklist and time.

    The reader's name stands in the sentences of what rests on a statement; until the reading is signed, a draft's does.
    """
    body = (edits.rest_of_body, edits.body, edits.fdg)
    states = (edits.references, edits.lesions, edits.clicks, *body, edits.lesions_complete)
    reader = None if all(part in {None, ()} for part in states) else edits.reader or _UNSIGNED
    return edits.model_copy(update={"reader": reader, "made_at": None, "checklist": {}, "verdicts": ()})


def answered(proposed: StudyScore, edits: ReaderEdits) -> StudyScore:
    """The record with the reader's answers laid on the proposals; what `score_labels` makes of the same edits."""
    criteria = with_readers_answers(proposed.criteria, edits, proposed.config)
    return proposed.model_copy(update={"criteria": criteria, "edits": edits}).with_record_id()


def unanswered(score: StudyScore) -> StudyScore:
    """The record as it was before the reader's answers: each criterion as the images had proposed it."""
    criteria = {
        name: verdict
        if verdict.decision is None
        else verdict.model_copy(
            update={
                "verdict": verdict.decision.proposed,
                "effect": effect_of(score.config.protocol.criterion(name), verdict.decision.proposed),
                "status": "proposed",
                "decision": None,
            }
        )
        for name, verdict in score.criteria.items()
    }
    return score.model_copy(update={"criteria": criteria, "edits": proposals(score.edits)}).with_record_id()


def _of_what_is_there(
    state: ReadingState, found: Segmentations, before: Measured
) -> tuple[ReaderEdits, tuple[str, ...]]:
    """The edits without those of lesions that are gone and of CT candidates that are covered."""
    foci = set() if found.ct_foci is None else set(found.ct_foci.labels.labels)
    there = foci | (set() if found.lesions is None else set(found.lesions.labels.labels))
    kept = tuple(edit for edit in state.edits.lesions if edit.label in there)
    candidates = {focus.label for focus in before.score.ct_foci}
    lost = tuple(
        f"The mark on CT candidate {edit.label} was withdrawn: a lesion now covers it."
        for edit in state.edits.lesions
        if edit.label not in there and edit.label in candidates and edit != LesionEdit(label=edit.label)
    )
    return state.edits.model_copy(update={"lesions": kept}), lost


def _still_meant(edits: ReaderEdits, proposed: StudyScore) -> tuple[ReaderEdits, tuple[str, ...]]:
    """The edits without answers that confirmed something that is not proposed any more."""

    def stands(answer: VerdictEdit) -> bool:
        return answer.verdict == proposed.criteria[answer.criterion].verdict or bool((answer.reason or "").strip())

    gone = [answer.criterion for answer in edits.verdicts if not stands(answer)]
    if not gone:
        return edits, ()
    protocol = proposed.config.protocol
    words = tuple(
        f"The confirmation of {protocol.criterion(name).name} was withdrawn: the images now propose a different answer."
        for name in gone
    )
    return edits.model_copy(update={"verdicts": tuple(a for a in edits.verdicts if stands(a))}), words
