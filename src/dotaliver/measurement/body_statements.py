"""What a reader states about the body outside the liver, checked where it enters.

The answers to candidates, the lesions added and "all read" must be signed, speak of what is there, and agree with each
other and with ``rest_of_body``. "All read" needs every candidate answered and the protocol's range on the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dotaliver.config.protocol import BodyPart, TrialProtocol
from dotaliver.errors import ConfigError
from dotaliver.records.body import BODY_PARTS, BodySearch
from dotaliver.records.body_record import BodyLesion, BodyRecord
from dotaliver.records.edits import NOT_TUMOUR, BodyReading, ReaderEdits
from dotaliver.records.measurements import Lesion

__all__ = ["require_body_consistent", "require_body_known", "require_body_supported"]

_SIGN = "give 'reader' with name and role"


def require_body_consistent(edits: ReaderEdits) -> None:
    """Refuse statements on the body that nobody signs or that contradict each other: `ConfigError`."""
    for problem in _inconsistent(edits):
        raise ConfigError(problem)


def require_body_known(reading: BodyReading | None, search: BodySearch | None, protocol: TrialProtocol) -> None:
    """Refuse answers to candidates that are not there, and "all read" where the images do not show the body.

    Raises
    ------
    ConfigError
        With the first such statement and what mends it.
    """
    if reading is not None:
        for problem in _unknown(reading, search, protocol):
            raise ConfigError(problem)


def require_body_supported(edits: ReaderEdits, body: BodyRecord | None, lesions: tuple[Lesion, ...]) -> None:
    """Refuse statements on the body that the answers to its candidates contradict: `ConfigError`."""
    for problem in _unsupported(edits, body, lesions):
        raise ConfigError(problem)


def _inconsistent(edits: ReaderEdits) -> Iterator[str]:
    reading, rest = edits.body, edits.rest_of_body
    if rest is not None and rest.lesions is None and not (reading is not None and reading.all_read):
        yield (
            "rest_of_body does not say whether there are lesions elsewhere; set 'lesions', or state in 'body' that all "
            "was read"
        )
    if reading is None:
        return
    if edits.reader is None and (reading.answers or reading.added or reading.all_read):
        yield f"the edits answer candidates outside the liver without saying who reads; {_SIGN}"
    for answer in reading.answers:
        said = [*answer.marks, *(["diameter"] if answer.diameter is not None else [])]
        if answer.answer == "rejected" and said:
            yield f"candidate B{answer.label} is rejected and has {said[0]}, which contradict each other; keep one"
        odd = sorted(NOT_TUMOUR & set(answer.marks))
        if answer.answer == "accepted" and odd:
            yield f"candidate B{answer.label} is accepted and marked {odd[0]}, which contradict each other; keep one"
        yield from _about_kind(f"candidate B{answer.label}", set(answer.marks), answer.organ)
    for point in reading.added:
        odd = sorted(NOT_TUMOUR & set(point.marks))
        if odd:
            yield f"a lesion is added outside the liver and marked {odd[0]}; leave it out"
        yield from _about_kind("a lesion added outside the liver", set(point.marks), point.organ)


def _about_kind(what: str, marks: set[str], organ: str | None) -> Iterator[str]:
    if "node" in marks and organ not in {None, "lymph_node"}:
        yield f"{what} is marked node and lies in {organ}, which contradict each other; keep one"
    if "blastic_bone" in marks and organ not in {None, "bone"}:
        yield f"{what} is marked blastic_bone and lies in {organ}, which contradict each other; keep one"
    if "receptor_negative" in marks:
        yield (
            f"{what} is marked receptor_negative, and the search found it by its uptake; state receptor-negative "
            "lesions elsewhere with receptor_negative in rest_of_body"
        )
    if {"target", "non_target"} <= marks:
        yield f"{what} is marked as a target and as a non-target, which contradict each other; keep one"
    if "progressed_since_treatment" in marks and "treated" not in marks:
        yield f"{what} is marked progressed_since_treatment and not treated; mark it treated too"


def _unknown(reading: BodyReading, search: BodySearch | None, protocol: TrialProtocol) -> Iterator[str]:
    if search is None:
        if reading.answers or reading.all_read:
            what = "answer candidates outside the liver" if reading.answers else "state that the whole body was read"
            yield (
                f"the edits {what}, and the body outside the liver was not searched on these images; score the study "
                "again, or state the rest of the body instead ('rest_of_body')"
            )
        return
    found = [focus.label for focus in search.foci if focus.source == "search"]
    for answer in reading.answers:
        if answer.label not in found:
            there = ", ".join(f"B{label}" for label in found) or "none"
            yield f"the edits answer candidate B{answer.label}, which is not among those found (there: {there})"
    if not reading.all_read:
        return
    missing = [part for part in BODY_PARTS if part in protocol.body_range and part not in search.coverage.parts]
    if missing:
        yield (
            f"the edits state that the whole body was read, and the PET does not show the {_listed(missing)}, which "
            f"{protocol.id} asks for; leave all_read out and state the rest of the body ('rest_of_body') if it was "
            "read on other images"
        )


def _listed(parts: list[BodyPart]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _unsupported(edits: ReaderEdits, body: BodyRecord | None, lesions: tuple[Lesion, ...]) -> Iterator[str]:
    if body is None:
        return
    reading, rest = edits.body, edits.rest_of_body
    if reading is not None and reading.all_read and body.candidates:
        yield (
            f"the edits state that the whole body was read, and candidate {_named(body.candidates[0])} is unanswered"
            f"{_and_more(body.candidates)}; accept or reject it"
        )
    yield from _against_the_lesion_mask(body, lesions)
    if rest is None or rest.lesions is None:
        return
    if not rest.lesions and body.confirmed:
        yield (
            f"rest_of_body states no lesions elsewhere, and {_named(body.confirmed[0])} is {body.confirmed[0].state}; "
            "reject it, or set 'lesions' to true"
        )
    likely = [lesion for lesion in body.candidates if lesion.likely == "metastasis"]
    if not rest.lesions and likely:
        yield (
            f"rest_of_body states no lesions elsewhere, and candidate {_named(likely[0])} is likely a metastasis and "
            f"unanswered{_and_more(likely)}; reject it in 'body', or set 'lesions' to true"
        )
    outlined = [lesion for lesion in lesions if lesion.in_liver is False and lesion.tumour]
    all_read = reading is not None and reading.all_read
    if rest.lesions and all_read and not body.confirmed and not outlined and not rest.receptor_negative:
        yield (
            "rest_of_body states lesions elsewhere, and the whole body was read with none accepted or added; accept or "
            "add them, or set 'lesions' to false"
        )


def _against_the_lesion_mask(body: BodyRecord, lesions: tuple[Lesion, ...]) -> Iterator[str]:
    """Answers that contradict what counts as tumour in the same place of the lesion mask."""
    known = {lesion.label: lesion for lesion in lesions}
    for place in body.lesions:
        same = None if place.same_as_lesion is None else known.get(place.same_as_lesion)
        if same is None:
            continue
        if place.state == "rejected" and same.tumour and same.in_liver is False:
            yield (
                f"candidate {_named(place)} is rejected, and lesion {same.label} of the lesion mask in the same place "
                "counts as tumour; mark that lesion not_a_lesion, or take the answer back"
            )
        if place.confirmed and not same.tumour:
            yield (
                f"candidate {_named(place)} is {place.state}, and lesion {same.label} of the lesion mask in the same "
                "place is marked as no tumour; take the mark back, or reject the candidate"
            )


def _and_more(candidates: Sequence[BodyLesion]) -> str:
    more = len(candidates) - 1
    return f" ({more} more)" if more else ""


def _named(lesion: BodyLesion) -> str:
    return f"{lesion.name} ({lesion.region})"
