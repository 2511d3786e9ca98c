"""Lesion matching: all lesions of a scan are assigned to the known ones at once, each with a confidence.

The lesions of all scans are on one grid, after registration of the livers. Similarity grows with overlap and
proximity; the assignment with the greatest total similarity is taken. The confidence of a pair follows from its
similarity and from its best rival that has no better partner. Identities that the reader states are fixed first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.records import Appearance, Question, Track

__all__ = ["KnownIdentity", "Matching", "Place", "PlacedScan", "joined", "match_lesions", "similarity"]

# A pair needs this similarity; a new lesion with more than the second one to a known lesion may be that lesion.
_LEAST_SIMILARITY = 0.3
_DOUBTFUL_SIMILARITY = 0.15
# Where the livers do not fit, no confidence exceeds this.
_TRUST_IN_POOR_FIT = 0.5


@dataclass(frozen=True, eq=False)
class PlacedScan:
    """The lesions of one scan on the common grid, and the overlap of its liver with the first scan's."""

    labels: LabelMap
    liver_dice: float = 1.0

    @cached_property
    def places(self) -> dict[int, Place]:
        """Voxels and centre of each lesion."""
        grid, found = self.labels.geometry, {}
        for label, box in self.labels.boxes():
            index = np.argwhere(self.labels.array[box] == label) + [part.start for part in box]
            flat = np.ravel_multi_index(index.T, grid.shape)
            found[label] = Place(flat, grid.index_to_lps(index.mean(axis=0)), len(flat) * grid.voxel_volume_ml)
        return found

    @property
    def middles_lps_mm(self) -> dict[int, Vector]:
        """Centre of each lesion on the common grid, in LPS mm."""
        return {
            n: (float(p.centre_mm[0]), float(p.centre_mm[1]), float(p.centre_mm[2])) for n, p in self.places.items()
        }


@dataclass(frozen=True, eq=False)
class Place:
    """Where a lesion lies on the common grid: its voxels, centre and volume."""

    voxels: npt.NDArray[np.intp]
    centre_mm: FloatArray
    volume_ml: float

    @property
    def radius_mm(self) -> float:
        """Radius of a sphere of this volume."""
        return float(np.cbrt(750.0 / np.pi * self.volume_ml))

    def share_in(self, other: Place) -> float:
        """Fraction of this place inside another."""
        return len(np.intersect1d(self.voxels, other.voxels, assume_unique=True)) / len(self.voxels)


@dataclass(frozen=True)
class KnownIdentity:
    """A reader's statement that certain labels of a scan are a certain lesion.

    Without labels: the lesion is not on that scan as a lesion of its own (absent, or part of another), and is matched
    with none of its labels.
    """

    scan: int
    lesion: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Matching:
    """The lesions through the scans, with open questions."""

    tracks: tuple[Track, ...]
    questions: tuple[Question, ...]


@dataclass
class _Ledger:
    """The lesions known so far, scan by scan."""

    appearances: dict[str, list[Appearance]] = field(default_factory=dict)
    last_seen: dict[str, Place] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    def free_name(self) -> str:
        # A reader who names a lesion on a later scan uses the name that it is given here.
        number = 1
        while (name := f"L{number:02d}") in self.appearances:
            number += 1
        return name

    def add(self, lesion: str, appearance: Appearance, place: Place | None) -> None:
        self.appearances.setdefault(lesion, []).append(appearance)
        if place is not None:
            self.last_seen[lesion] = place


def joined(places: Sequence[Place]) -> Place:
    """Several parts as one place."""
    voxels = np.unique(np.concatenate([place.voxels for place in places]))
    weights = [place.volume_ml for place in places]
    middle = np.average([place.centre_mm for place in places], axis=0, weights=weights)
    return Place(voxels, middle, sum(weights))


def similarity(before: Place, now: Place, config: RecistConfig) -> float:
    """Similarity of two places, 0 to 1: their overlap, or the distance of one centre outside the other."""
    apart = float(np.linalg.norm(before.centre_mm - now.centre_mm))
    if apart > config.match_reach_mm + max(before.radius_mm, now.radius_mm):
        return 0.0
    beyond = max(apart - min(before.radius_mm, now.radius_mm), 0.0)
    overlap = max(before.share_in(now), now.share_in(before))
    return max(overlap, float(0.5 ** (beyond / config.match_scale_mm)))


def match_lesions(scans: Sequence[PlacedScan], known: Sequence[KnownIdentity], config: RecistConfig) -> Matching:
    """Follow every lesion through the scans.

    Parameters
    ----------
    scans : sequence of PlacedScan
        In time order, on one grid.
    known : sequence of KnownIdentity
        The reader's identities.
    config : RecistConfig
        Scales and what counts as sure.

    Returns
    -------
    Matching
        Lesions are named L01, L02 … in the order in which they were first seen (largest first), apart from those
        that the reader named.

    Raises
    ------
    ConfigError
        Where the reader names a label that a scan does not have, or gives one label to two lesions.
    """
    _check_known(scans, known)
    ledger = _Ledger()
    for number, scan in enumerate(scans):
        stated = {identity.lesion: identity.labels for identity in known if identity.scan == number}
        _follow(ledger, scan, number, stated, config)
    tracks = tuple(
        Track(lesion=name, appearances=tuple(found))
        for name, found in sorted(ledger.appearances.items(), key=lambda item: (item[1][0].scan, item[0]))
    )
    return Matching(tracks, tuple(ledger.questions))


def _check_known(scans: Sequence[PlacedScan], known: Sequence[KnownIdentity]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for identity in known:
        there = scans[identity.scan].labels.labels
        for label in identity.labels:
            if label not in there:
                names = ", ".join(map(str, there)) or "none"
                msg = (
                    f"the reader's edits: {identity.lesion} is given lesion {label} of scan {identity.scan + 1}, which "
                    f"has no such lesion; choose among {names}"
                )
                raise ConfigError(msg)
            other = taken.setdefault((identity.scan, label), identity.lesion)
            if other != identity.lesion:
                msg = (
                    f"the reader's edits: lesion {label} of scan {identity.scan + 1} is given to both {other} and "
                    f"{identity.lesion}; give it to one"
                )
                raise ConfigError(msg)


def _follow(
    ledger: _Ledger,
    scan: PlacedScan,
    number: int,
    stated: Mapping[str, tuple[int, ...]],
    config: RecistConfig,
) -> None:
    """Give every lesion of a scan its identity, and every known lesion its appearance on that scan."""
    places = dict(scan.places)
    before = dict(ledger.last_seen)
    trust = 1.0 if scan.liver_dice >= config.least_liver_dice else _TRUST_IN_POOR_FIT
    carriers: dict[str, Place] = {}
    for lesion, labels in stated.items():
        if not labels:
            if before.pop(lesion, None) is not None:
                ledger.add(lesion, _appearance(number, "vanished", (), 1.0, by="reader"), None)
            continue
        parts = [places.pop(label) for label in labels]
        state = "seen" if len(parts) == 1 else "split"
        carriers[lesion] = joined(parts)
        ledger.add(lesion, _appearance(number, state, labels, 1.0, by="reader"), carriers[lesion])
        before.pop(lesion, None)
    pairs = _assign(before, places, config)
    found: dict[str, tuple[list[int], list[Place], float]] = {}
    for lesion, (label, confidence) in pairs.items():
        found[lesion] = ([label], [places.pop(label)], confidence * trust)
        carriers[lesion] = found[lesion][1][0]
    _take_parts(found, places, before, trust, config)
    for lesion, (labels_found, parts, confidence) in found.items():
        whole = joined(parts)
        carriers[lesion] = whole
        state = "seen" if len(parts) == 1 else "split"
        appearance = _appearance(number, state, tuple(labels_found), confidence)
        ledger.add(lesion, appearance, whole)
        _ask_identity(ledger, lesion, appearance, config)
        before.pop(lesion)
    _missing_lesions(ledger, number, before, carriers, trust, config)
    _new(ledger, number, places, trust, config)


def _appearance(
    scan: int, state: str, labels: tuple[int, ...], confidence: float, *, by: str = "matching"
) -> Appearance:
    return Appearance.model_validate(
        {"scan": scan, "state": state, "labels": labels, "confidence": confidence, "by": by}
    )


def _assign(
    before: Mapping[str, Place], now: Mapping[int, Place], config: RecistConfig
) -> dict[str, tuple[int, float]]:
    """The assignment with the greatest total similarity, each pair with its confidence."""
    from scipy.optimize import linear_sum_assignment

    names, labels = list(before), list(now)
    if not names or not labels:
        return {}
    likeness = np.array([[similarity(before[name], now[label], config) for label in labels] for name in names])
    cost = np.full((len(names), len(labels) + len(names)), 1.0 - _LEAST_SIMILARITY)
    cost[:, : len(labels)] = np.where(likeness >= _LEAST_SIMILARITY, 1.0 - likeness, 2.0)
    rows, columns = linear_sum_assignment(cost)
    taken = {int(i): int(j) for i, j in zip(rows, columns, strict=True) if j < len(labels) and cost[i, j] < 1.0}
    return {names[i]: (labels[j], _confidence(likeness, taken, i, j)) for i, j in taken.items()}


def _confidence(likeness: FloatArray, taken: Mapping[int, int], i: int, j: int) -> float:
    """Similarity of a pair, weighed against its best rival; a rival with a good partner of its own counts little."""
    partner_of_column = {column: row for row, column in taken.items()}
    rivals = [0.0]
    for column in range(likeness.shape[1]):
        if column != j:
            own = likeness[partner_of_column[column], column] if column in partner_of_column else 0.0
            rivals.append(float(likeness[i, column] * (1.0 - own)))
    for row in range(likeness.shape[0]):
        if row != i:
            own = likeness[row, taken[row]] if row in taken else 0.0
            rivals.append(float(likeness[row, j] * (1.0 - own)))
    mine, rival = float(likeness[i, j]), max(rivals)
    return mine**3 / (mine**2 + rival**2)


def _take_parts(
    found: dict[str, tuple[list[int], list[Place], float]],
    places: dict[int, Place],
    before: Mapping[str, Place],
    trust: float,
    config: RecistConfig,
) -> None:
    """Take unassigned lesions inside the former place of a lesion that was found again as its parts (a split)."""
    for label in list(places):
        shares = {lesion: places[label].share_in(before[lesion]) for lesion in found}
        if not shares:
            return
        lesion = max(shares, key=lambda name: shares[name])
        if shares[lesion] >= config.part_share:
            labels, parts, confidence = found[lesion]
            # With two parts in the former place, the first one has no rival.
            sure = max(confidence, trust * min(shares[lesion], parts[0].share_in(before[lesion])))
            found[lesion] = ([*labels, label], [*parts, places.pop(label)], sure)


def _ask_identity(ledger: _Ledger, lesion: str, appearance: Appearance, config: RecistConfig) -> None:
    labels = " and ".join(map(str, appearance.labels))
    number, share = appearance.scan, 100 * appearance.confidence
    if appearance.state == "split":
        sentence = (
            f"Has {lesion} split into lesions {labels} of scan {number + 1}? Their diameters are added "
            f"({share:.0f} % certain)."
        )
        kind = "split"
    elif appearance.confidence < config.sure:
        sentence = f"Is lesion {labels} of scan {number + 1} lesion {lesion} ({share:.0f} % certain)?"
        kind = "identity"
    else:
        return
    ledger.questions.append(
        Question.model_validate({"kind": kind, "lesions": (lesion,), "scan": number, "sentence": sentence})
    )


def _missing_lesions(
    ledger: _Ledger,
    number: int,
    before: Mapping[str, Place],
    carriers: Mapping[str, Place],
    trust: float,
    config: RecistConfig,
) -> None:
    """Known lesions without a lesion of their own on this scan: merged with another one, or not found."""
    for lesion, place in before.items():
        shares = {name: place.share_in(other) for name, other in carriers.items()}
        into = max(shares, key=lambda name: shares[name], default=None)
        if into is not None and shares[into] >= config.part_share:
            appearance = Appearance(scan=number, state="merged", merged_into=into, confidence=trust * shares[into])
            sentence = (
                f"Has {lesion} merged with {into} on scan {number + 1}? One longest diameter then counts for both."
            )
            question = Question(kind="merge", lesions=(lesion, into), scan=number, sentence=sentence)
        else:
            appearance = Appearance(scan=number, state="vanished", confidence=1.0 - max(shares.values(), default=0.0))
            sentence = (
                f"{lesion} was not found on scan {number + 1}: is it gone, too small to measure, or not evaluable?"
            )
            question = Question(kind="vanished", lesions=(lesion,), scan=number, sentence=sentence)
        ledger.add(lesion, appearance, None)
        ledger.questions.append(question)


def _new(
    ledger: _Ledger,
    number: int,
    places: Mapping[int, Place],
    trust: float,
    config: RecistConfig,
) -> None:
    """Take the remaining lesions as new; the more similar to a known lesion, the less sure."""
    known = dict(ledger.last_seen)
    for label in sorted(places, key=lambda n: (-places[n].volume_ml, n)):
        likeness = {lesion: similarity(place, places[label], config) for lesion, place in known.items()}
        nearest = max(likeness, key=lambda name: likeness[name], default=None)
        doubt = likeness[nearest] if nearest is not None else 0.0
        name = ledger.free_name()
        confidence = 1.0 if number == 0 else trust * (1.0 - doubt)
        ledger.add(name, _appearance(number, "seen", (label,), confidence), places[label])
        if number > 0 and nearest is not None and doubt >= _DOUBTFUL_SIMILARITY:
            sentence = f"Is lesion {label} of scan {number + 1} ({name}) new, or is it {nearest} or a part of it?"
            ledger.questions.append(Question(kind="identity", lesions=(name, nearest), scan=number, sentence=sentence))
