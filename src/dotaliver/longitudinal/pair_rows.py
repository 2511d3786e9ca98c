"""What two scans show of each lesion: same, new, gone or unsure, with the overlap, distance and size behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.compared_scans import EARLIER, LATER, ComparedScans, stated_on
from dotaliver.longitudinal.matching import Place, PlacedScan, joined, similarity
from dotaliver.longitudinal.pair_answers import IdentityAnswer, answer_of
from dotaliver.longitudinal.records import LesionUptake, Reading, TrackedLesion
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE

__all__ = ["PairEvidence", "PairRow", "pair_rows", "size_words"]

# A lesion of the other scan is named as the one that this could be up to here (half of what matching asks).
_LEAST_SIMILARITY = 0.15


@dataclass(frozen=True)
class PairEvidence:
    """How two outlines lie to each other after registration of the livers."""

    overlap: float
    """Share of the smaller outline inside the other, 0 to 1."""
    apart_mm: float
    """Distance of their centres."""

    @property
    def words(self) -> str:
        """Overlap and distance."""
        overlap = "no overlap" if self.overlap == 0 else f"overlap {100 * self.overlap:.0f} %"
        return f"{overlap}, centres {self.apart_mm:.0f} mm apart"


@dataclass(frozen=True)
class PairRow:
    """One lesion on two scans."""

    lesion: TrackedLesion
    state: IdentityAnswer
    answer: IdentityAnswer | None
    """The reader's; None: the state is the proposal of the matching."""
    why: str
    sizes_mm: tuple[float | None, float | None]
    """Decisive diameter on each scan as it counts: as stated, else as measured on CT, MR or by the reader."""
    size_words: tuple[str, str]
    partner: str | None
    """Of a lesion on one scan only: the lesion of the other scan that it could be."""
    scans: tuple[int, int] = (EARLIER, LATER)
    """Which scans of the course are compared."""

    @property
    def name(self) -> str:
        """The lesion's name."""
        return self.lesion.lesion

    @property
    def is_open(self) -> bool:
        """Whether it waits for the reader's answer: everything that is not surely the same."""
        return self.answer is None and self.state != "same"

    @property
    def change(self) -> float | None:
        """Relative change of the diameter."""
        before, now = self.sizes_mm
        return None if not before or now is None else (now - before) / before

    def on(self, side: int) -> LesionUptake | None:
        """Measurements on the earlier (0) or the later scan (1)."""
        return _on(self.lesion, self.scans[side])


def pair_rows(pair: ComparedScans, placed: Sequence[PlacedScan], config: RecistConfig) -> tuple[PairRow, ...]:
    """A row for each lesion that the later of two scans, or any scan before it, shows; in the order of the course."""
    lesions, scans = pair.lesions, (pair.earlier, pair.later)
    before, now = ({row.lesion: _place(row, scan, placed[scan]) for row in lesions} for scan in scans)
    return tuple(_row(pair, lesion, before, now, config) for lesion in lesions)


def _on(lesion: TrackedLesion, scan: int) -> LesionUptake | None:
    return next((found for found in lesion.uptake if found.scan == scan), None)


def _place(lesion: TrackedLesion, scan: int, placed: PlacedScan) -> Place | None:
    appearance = lesion.track.on(scan)
    labels = () if appearance is None else appearance.labels
    parts = [placed.places[label] for label in labels if label in placed.places]
    return joined(parts) if parts else None


def _evidence(before: Place, now: Place) -> PairEvidence:
    overlap = max(before.share_in(now), now.share_in(before))
    return PairEvidence(overlap, float(np.linalg.norm(before.centre_mm - now.centre_mm)))


def _row(
    pair: ComparedScans,
    lesion: TrackedLesion,
    earlier: dict[str, Place | None],
    later: dict[str, Place | None],
    config: RecistConfig,
) -> PairRow:
    name, answer = lesion.lesion, answer_of(pair, lesion.lesion)
    before, now = earlier[name], later[name]
    partner = None
    if before is not None and now is not None:
        why = f"{_evidence(before, now).words}; {_certainty(lesion, pair.later)}"
    elif now is not None and lesion.track.first < pair.later:
        # A scan in between shows it, or one before the earlier one.
        seen = pair.reading.scans[lesion.track.first].on
        why = f"Not outlined on the earlier scan; first seen on {seen}; {_certainty(lesion, pair.later)}"
    elif now is not None:
        partner, nearest = _nearest(now, earlier.items(), config)
        why = f"Not outlined on the earlier scan; {nearest}; {_shown_by(lesion, pair.later)}"
    else:
        # What the later scan shows and is some lesion's already is not offered.
        free = ((n.lesion, later[n.lesion]) for n in pair.lesions if n.track.first == pair.later)
        partner, nearest = (None, "") if before is None else _nearest(before, free, config, only_new=True)
        why = _not_found(lesion, nearest, pair.later)
    scans = (pair.earlier, pair.later)
    sizes, words = zip(*(_size(pair, lesion, scan, config) for scan in scans), strict=True)
    state = answer or _proposed(lesion, pair.later, config)
    return PairRow(lesion, state, answer, _sentence(why), sizes, words, partner, scans)


def _proposed(lesion: TrackedLesion, later: int, config: RecistConfig) -> IdentityAnswer:
    """What the matching makes of a lesion."""
    appearance = lesion.track.on(later)
    if lesion.track.first == later:
        return "new" if appearance is not None and appearance.confidence >= config.sure else "unsure"
    if appearance is None or appearance.state == "vanished":
        return "gone"
    return "same" if appearance.state == "seen" and appearance.confidence >= config.sure else "unsure"


def _nearest(
    place: Place,
    others: Iterable[tuple[str, Place | None]],
    config: RecistConfig,
    *,
    only_new: bool = False,
) -> tuple[str | None, str]:
    """The lesion of the other scan that a lesion could be, and how near it is."""
    there = {name: other for name, other in others if other is not None}
    if not there:
        return None, "no new lesion there" if only_new else "no lesion there"
    name = max(there, key=lambda n: (similarity(there[n], place, config), -_evidence(there[n], place).apart_mm))
    could_be = similarity(there[name], place, config) >= _LEAST_SIMILARITY
    found = _evidence(there[name], place)
    which = "the nearest new lesion is" if only_new else "the nearest is"
    return name if could_be else None, f"{which} {name}: {found.words}"


def _certainty(lesion: TrackedLesion, later: int) -> str:
    appearance = lesion.track.on(later)
    if appearance is None or appearance.by == "reader":
        return "as the reader states"
    parts = len(appearance.labels)
    split = f"in {parts} parts, " if parts > 1 else ""
    return f"{split}{100 * appearance.confidence:.0f} % certain"


def _shown_by(lesion: TrackedLesion, later: int) -> str:
    found = _on(lesion, later)
    if found is None or found.source not in ON_MEASURED_IMAGE or found.longest_mm is None:
        return "shown by the PET alone"
    return f"{found.longest_mm:.0f} mm on {found.modality or 'CT'}"


def _not_found(lesion: TrackedLesion, nearest: str, later: int) -> str:
    appearance = lesion.track.on(later)
    if appearance is not None and appearance.state == "merged":
        share = "" if appearance.by == "reader" else f"; {100 * appearance.confidence:.0f} % certain"
        return f"its place lies inside {appearance.merged_into} on the later scan{share}"
    return f"not found on the later scan; {nearest}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def size_words(reading: Reading, lesion: TrackedLesion, scan: int, config: RecistConfig) -> str:
    """How the decisive diameter on a scan is written: in mm as it counts, in brackets the extent on PET."""
    return _size(ComparedScans(reading), lesion, scan, config)[1]


def _size(pair: ComparedScans, lesion: TrackedLesion, scan: int, config: RecistConfig) -> tuple[float | None, str]:
    """The decisive diameter on a scan in mm, and how it is written."""
    on = stated_on(pair, lesion.lesion, scan)
    if on is not None and on.size_mm is not None:
        return on.size_mm, f"{on.size_mm:.1f}"
    if on is not None and on.state in {"absent", "merged"}:
        return (0.0, "0") if on.state == "absent" else (None, "merged")
    if on is not None and on.state == "too_small":
        return config.too_small_mm, f"≤ {config.too_small_mm:g}"
    if on is not None and on.state == "not_evaluated":
        return None, "–"
    found = _on(lesion, scan)
    if found is None or found.source not in ON_MEASURED_IMAGE:
        return None, "–" if found is None or found.pet_extent_mm is None else f"({found.pet_extent_mm:.0f})"
    mm = found.short_mm if lesion.node else found.longest_mm
    return (None, "–") if mm is None else (mm, f"{mm:.1f}")
