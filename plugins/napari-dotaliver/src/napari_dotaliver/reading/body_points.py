"""Lesions outside the liver that a reader adds by a click on the PET, and what he says of each. No window in it."""

from __future__ import annotations

from typing import Any

from dotaliver.errors import ConfigError
from dotaliver.image.geometry import Vector
from dotaliver.measurement.statements import require_consistent
from dotaliver.records.body import FocusOrgan
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.edits import BodyAnswer, BodyPoint, BodyReading
from dotaliver.segmentation.added_body_lesions import with_added_lesions
from dotaliver.segmentation.body.place_region import BodyPlaces
from napari_dotaliver.reading.marking import Marking
from napari_dotaliver.reading.measuring import proposals

__all__ = ["BodyPoints"]


class BodyPoints(Marking):
    """A reading in which lesions outside the liver can be added; each is one step."""

    _places: BodyPlaces | None = None

    def add_body_lesion(self, place_lps_mm: Vector, size_mm: float | None = None) -> BodyPoint:
        """Add a lesion outside the liver at a place on the PET; its region and organ are proposed.

        Parameters
        ----------
        place_lps_mm : Vector
            In the position of the PET, in mm.
        size_mm : float, optional
            Its diameter where the PET shows no border.

        Raises
        ------
        ConfigError
            Where nobody has signed in yet, or no lesion can be added at that place, with the reason.
        """
        self._require_reader("before adding a lesion outside the liver")
        search = self.segmentations.body
        if search is None:
            msg = "the body outside the liver was not searched on these images; score the study again before adding"
            raise ConfigError(msg)
        if self._places is None:
            self._places = BodyPlaces.of(self.volumes, self.segmentations, self.config)
        region, organ = self._places.region_at(place_lps_mm)
        point = BodyPoint(place_lps_mm=place_lps_mm, organ=organ, region=region, size_mm=size_mm)
        reading = self.edits.body or BodyReading()
        added = (*reading.added, point)
        with_added_lesions(self.volumes.pet, self.segmentations, added, self.config.body_reading)
        self._edit(body=reading.model_copy(update={"added": added}))
        return point

    def remove_body_lesion(self, number: int) -> None:
        """Take an added lesion back, by its place among those that were added (0 for the first)."""
        reading = self.edits.body or BodyReading()
        added = tuple(point for n, point in enumerate(reading.added) if n != number)
        left = reading.model_copy(update={"added": added})
        self._edit(body=None if left == BodyReading() else left)

    def added_number(self, lesion: BodyLesion) -> int | None:
        """Which of the added lesions a measured one is; None where it is none, or they changed since."""
        body, reading = self.score.body, self.edits.body
        if lesion.state != "added" or body is None or reading is None:
            return None
        measured = [known.label for known in body.lesions if known.state == "added"]
        then = self.score.edits.body
        number = measured.index(lesion.label) if lesion.label in measured else None
        if number is None or then is None or number >= len(then.added):
            return None
        same = [n for n, point in enumerate(reading.added) if point.place_lps_mm == then.added[number].place_lps_mm]
        return same[0] if same else None

    def describe_body_lesion(self, lesion: BodyLesion, **what: Any) -> None:
        """Change what is said of an accepted or added lesion: ``diameter``, ``marks``, ``organ`` or ``region``.

        Raises
        ------
        ConfigError
            Where it is a candidate that was not accepted, or an added one that is not measured yet, or the statements
            contradict each other.
        """
        self._require_reader("before describing a lesion outside the liver")
        reading = self._described(lesion, what)
        require_consistent(proposals(self.edits.model_copy(update={"body": reading})))
        self._edit(body=reading)

    def _described(self, lesion: BodyLesion, what: dict[str, Any]) -> BodyReading:
        reading = self.edits.body or BodyReading()
        if lesion.state == "added":
            number = self.added_number(lesion)
            if number is None:
                msg = f"lesion {lesion.name} was changed since the last measurement; re-measure first"
                raise ConfigError(msg)
            added = tuple(p.model_copy(update=what) if n == number else p for n, p in enumerate(reading.added))
            return reading.model_copy(update={"added": added})
        answer = reading.answer(lesion.label)
        if answer is None or answer.answer != "accepted":
            msg = f"candidate {lesion.name} is not accepted; accept it before describing it"
            raise ConfigError(msg)
        answers = tuple(a.model_copy(update=what) if a.label == answer.label else a for a in reading.answers)
        return reading.model_copy(update={"answers": answers})

    def body_edit_of(self, lesion: BodyLesion) -> BodyAnswer | BodyPoint | None:
        """What the reader says of a lesion outside the liver now; None where nothing."""
        reading = self.edits.body
        if reading is None:
            return None
        number = self.added_number(lesion)
        return reading.answer(lesion.label) if number is None else reading.added[number]

    def name_organ(self, lesion: BodyLesion, organ: FocusOrgan) -> None:
        """Say in which organ a lesion outside the liver lies, where the proposal is wrong."""
        self.describe_body_lesion(lesion, organ=organ, **({"region": None} if lesion.state == "added" else {}))
