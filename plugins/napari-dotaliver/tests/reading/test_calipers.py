"""Diameters that are drawn: the short axis, roles, the sum of the targets, and what follows in the record."""

import numpy as np
import pytest
from napari_dotaliver.reading.provisional import provisional
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.errors import ConfigError, DotaliverError, GeometryError
from dotaliver.measurement.caliper import Caliper, with_end_moved


@pytest.fixture
def measured(session):
    """The lesions that the CT shows, the largest first."""
    seen = [lesion for lesion in session.score.lesions if lesion.diameter_source == "ct"]
    return sorted(seen, key=lambda lesion: -lesion.longest_diameter_mm)


def point(values):
    x, y, z = (float(v) for v in values)
    return (x, y, z)


def shifted(caliper: Caliper, by_mm: float) -> Caliper:
    """The caliper with its second end moved outwards."""
    first, second = (np.asarray(end) for end in caliper.long_axis_lps_mm)
    along = (second - first) / np.linalg.norm(second - first)
    return with_end_moved(caliper, "long_second", point(second + by_mm * along), (0.0, 0.0, 1.0))


def test_a_drawn_caliper_counts_at_once_is_one_step_and_is_taken_back(session, measured):
    lesion = measured[0]
    before = session.caliper_of(lesion.name)
    assert before.long_mm == pytest.approx(lesion.longest_diameter_mm)
    longer = shifted(before, 7.0)
    state = session.state
    session.draw_caliper(lesion.name, longer)
    assert session.caliper_of(lesion.name) == longer
    row = next(n for n in provisional(session).score.lesions if n.label == lesion.label)
    assert (row.diameter_source, row.longest_diameter_mm) == ("reader", pytest.approx(longer.long_mm))
    assert row.short_axis_mm == pytest.approx(longer.short_mm)
    assert lesion.label in provisional(session).unmeasured
    session.remeasure()
    now = next(n for n in session.score.lesions if n.label == lesion.label)
    assert (now.diameter_source, now.longest_diameter_mm) == ("reader", pytest.approx(longer.long_mm))
    session.undraw_caliper(lesion.name)
    assert session.caliper_of(lesion.name) is None or not session.is_drawn(lesion.name)
    session.undo()
    session.undo()
    assert session.state.edits == state.edits


def test_an_end_near_the_border_snaps_to_it_and_one_far_away_does_not(session, measured):
    lesion = measured[0]
    caliper = session.caliper_of(lesion.name)
    end = np.asarray(caliper.long_axis_lps_mm[1])
    along = end - caliper.long_axis_lps_mm[0]
    beside = point(end + 3.0 * along / np.linalg.norm(along))
    assert np.linalg.norm(np.subtract(session.snapped(lesion.name, beside), end)) < 2.0
    far = point(end + 40.0 * along / np.linalg.norm(along))
    assert session.snapped(lesion.name, far) == far


def test_target_and_non_target_exclude_each_other_and_the_sum_follows(session, measured):
    sizes = {lesion.name: lesion.longest_diameter_mm for lesion in measured}
    first, last = measured[0].name, measured[-1].name
    proposed = session.targets()
    assert proposed.sum_mm == pytest.approx(sum(sizes[name] for name in proposed.targets))
    session.toggle_role(first, "target")
    session.toggle_role(first, "non_target")
    assert session.roles_of(first) == ("non_target",)
    assert first not in session.targets().targets
    session.toggle_role(first, "non_target")
    assert session.roles_of(first) == ()
    session.toggle_role(last, "target")
    if session.targets().reasons[last].startswith("marked as target"):
        assert session.targets().targets[0] == last
    caliper = session.caliper_of(first)
    session.draw_caliper(first, shifted(caliper, 5.0))
    grown = session.targets()
    if first in grown.targets:
        assert grown.sum_mm == pytest.approx(
            sum(sizes[name] for name in grown.targets if name != first) + caliper.long_mm + 5.0
        )


@pytest.mark.parametrize(
    ("long", "short", "words"),
    [
        (((0.0, 0.0, 0.0), (0.5, 0.0, 0.0)), None, "shorter than 1 mm"),
        (((0.0, 0.0, 0.0), (0.0, 0.0, 40.0)), None, "in one axial slice"),
        (((0.0, 0.0, 0.0), (20.0, 0.0, 0.0)), ((10.0, -15.0, 0.0), (10.0, 15.0, 0.0)), "longer than the long axis"),
        (((0.0, 0.0, np.nan), (20.0, 0.0, 0.0)), None, "finite"),
    ],
)
def test_what_is_no_diameter_is_refused_and_changes_nothing(session, measured, long, short, words):
    before = session.state
    with pytest.raises(DotaliverError, match=words):
        session.draw_caliper(measured[0].name, Caliper(long, short))
    assert session.state is before


def test_a_lesion_outside_the_liver_is_drawn_once_it_is_accepted_and_counts_as_a_node(body):
    session = ReadingSession(body, None)
    session.sign("A Reader", "radiologist")
    lesion = session.score.body.lesions[0]
    x, y, z = lesion.centroid_lps_mm
    drawn = Caliper(((x - 14.0, y, z), (x + 14.0, y, z)), ((x, y - 9.0, z), (x, y + 9.0, z)))
    with pytest.raises(ConfigError, match="candidate B1 is not accepted"):
        session.draw_caliper("B1", drawn)
    session.answer_candidate(1, "accepted")
    session.draw_caliper("B1", drawn)
    assert session.targets().reasons["B1"].startswith("among the largest measurable lesions of the bone (28.0 mm)")
    session.name_organ(lesion, "lymph_node")
    session.toggle_role("B1", "target")
    assert session.roles_of("B1") == ("target",)
    session.remeasure()
    now = session.score.body.lesions[0]
    assert (now.diameter_source, now.longest_diameter_mm, now.short_axis_mm) == ("reader", 28.0, 18.0)
    targets = session.targets()
    assert targets.targets[0] == "B1"
    assert next(size for size in targets.sizes if size.lesion == "B1").size_mm == 18.0
    with pytest.raises(GeometryError, match="shorter than 1 mm"):
        session.draw_caliper("B1", Caliper(((x, y, z), (x, y, z))))


def test_a_lesion_outside_the_liver_is_added_with_a_proposed_region_and_taken_back(body):
    session = ReadingSession(body, None)
    grid = session.volumes.pet.geometry
    first, second = (lesion.centroid_lps_mm for lesion in session.score.body.lesions)
    place = (first[0], second[1], second[2])
    with pytest.raises(ConfigError, match="give the reader's name and role before adding"):
        session.add_body_lesion(place)
    session.sign("A Reader", "radiologist")
    before = session.state
    with pytest.raises(ConfigError, match=r"lies in B1; answer that candidate instead"):
        session.add_body_lesion(first)
    with pytest.raises(ConfigError, match="lies outside the PET"):
        session.add_body_lesion(point(grid.index_to_lps((-20, 0, 0))))
    assert session.state is before
    added = session.add_body_lesion(place, size_mm=18.0)
    assert added.region
    assert session.stale
    session.remeasure()
    assert not session.withdrawn
    lesion = session.score.body.lesions[-1]
    assert (lesion.name, lesion.state, lesion.region) == ("B3", "added", added.region)
    session.name_organ(lesion, "bone")
    session.remeasure()
    assert session.score.body.lesions[-1].organ == "bone"
    session.remove_body_lesion(session.added_number(session.score.body.lesions[-1]))
    session.remeasure()
    assert [one.name for one in session.score.body.lesions] == ["B1", "B2"]
