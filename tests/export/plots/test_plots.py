"""Waterfall, spider and swimmer show the numbers of the course, and the table behind each holds all of them."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.config.protocol import protocol_named
from dotaliver.export.plots.data import Bar, Line, best_sum_change, lesion_bars, sum_line
from dotaliver.export.plots.drawing import spider, waterfall
from dotaliver.export.plots.page import SEQUENTIAL_DESIGN, cohort_plots, reading_plots
from dotaliver.export.plots.svg import Svg, ticks
from dotaliver.export.response.html import ReadingPictures, response_html
from dotaliver.longitudinal.edits import LesionCourseEdit
from dotaliver.records.masks import LobePlane, Mismatch
from fixtures.courses import TRIAL, course_of, edits, on, reading_of, scan, simple_reading, sized, track

SIZES = ((30.0, 20.0), (24.0, 18.0), (20.0, 10.0), (25.0, 15.0))
CYCLES = (None, "ia", "ia", "iv")


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter("text")]


def plots_of(course):
    return {plot.title: plot for plot in reading_plots(course, course.readings[0])}


def with_lobes(reading, **lobes):
    lesions = tuple(lesion.model_copy(update={"lobe": lobes.get(lesion.lesion)}) for lesion in reading.lesions)
    return reading.model_copy(update={"lesions": lesions})


def test_a_waterfall_per_lobe_shows_each_targets_best_change():
    reading = with_lobes(simple_reading(SIZES), L01="right", L02="left")
    # 30 to 20 mm is -33.3 %, 20 to 10 mm is -50 %.
    assert {
        name: [(bar.name, round(bar.percent, 1)) for bar in bars] for name, bars in lesion_bars(reading).items()
    } == {
        "Right lobe": [("L01", -33.3)],
        "Left lobe": [("L02", -50.0)],
    }
    plot = plots_of(course_of(reading))["Best change of target diameters from baseline, by lobe"]
    assert plot.rows == (("Right lobe", "L01", "-33.3 %"), ("Left lobe", "L02", "-50.0 %"))
    assert {"Right lobe", "Left lobe", "L01", "L02", "-33 %", "-50 %"} <= set(texts(plot.svg))


def test_a_target_that_is_never_measured_again_is_in_the_table_alone():
    lost = edits(LesionCourseEdit(lesion="L02", on=tuple(on(n, state="not_evaluated") for n in (1, 2, 3))))
    plot = plots_of(course_of(simple_reading(SIZES, edits=lost)))[
        "Best change of target diameters from baseline, by lobe"
    ]
    assert plot.rows[-1][1:] == ("L02", "not evaluable")
    assert "L02" not in texts(plot.svg)


def test_routes_are_panels_of_their_own_and_the_design_is_said_beside_them():
    peaks = (20.0, 15.0, 10.0, 12.0)
    scores = [scan(n, sized(1, 30.0, peak=peak)) for n, peak in enumerate(peaks)]
    course = course_of(reading_of(scores, [track("L01", 1, 1, 1, 1)], cycles=CYCLES))
    plot = plots_of(course)["Change of SUVpeak of each lesion, by route of therapy"]
    # 20 to 10 over two intra-arterial cycles, 10 to 12 over the intravenous one
    assert plot.rows == (
        ("Intra-arterial, VISIT 1 to VISIT 3", "L01", "-50.0 %"),
        ("Intravenous, VISIT 3 to VISIT 4", "L01", "+20.0 %"),
    )
    assert plot.note == SEQUENTIAL_DESIGN
    assert "sequential and not randomised" in SEQUENTIAL_DESIGN
    page = response_html(course, (ReadingPictures({}),), protocol_named("nct04544098"))
    assert page.count(SEQUENTIAL_DESIGN) == 2


def test_the_spider_shows_the_sum_with_its_responses():
    line = sum_line(simple_reading(SIZES), "Sum")
    # Scans of 10 January, 5 April, 1 July and 1 October
    assert line.points == ((0, 0.0, ""), (86, -16.0, "SD"), (173, -40.0, "PR"), (265, -20.0, "PD"))
    plot = plots_of(course_of(simple_reading(SIZES)))["Target diameters over time, by lobe"]
    assert ("All targets", "Sum of targets", "173", "-40.0 %", "PR") in plot.rows
    assert {"SD", "PR", "PD"} <= set(texts(plot.svg))


def test_the_swimmer_shows_scans_therapies_and_what_the_manifest_adds():
    trial = TRIAL.model_copy(update={"death": date(2024, 12, 1), "new_therapy": date(2024, 11, 1)})
    course = course_of(simple_reading(SIZES, cycles=CYCLES, trial=trial), trial=trial)
    plot = plots_of(course)["Course of the patient"]
    events = {(day, event) for _, day, event in plot.rows}
    assert {("0", "baseline"), ("15", "first treatment"), ("173", "PR"), ("265", "PD"), ("296", "other therapy"),
            ("326", "death"), ("0", "intra-arterial therapy up to day 86")} <= events  # fmt: skip
    assert {"death", "other therapy", "PD"} <= set(texts(plot.svg))


def test_a_cohort_has_one_bar_line_and_lane_per_patient():
    courses = []
    for n, sizes in enumerate((SIZES, ((30.0, 20.0), (36.0, 26.0)), ((30.0, 20.0), (30.0, 19.0)))):
        trial = TRIAL.model_copy(update={"subject_id": f"{n:03d}"})
        courses.append(course_of(simple_reading(sizes, trial=trial, cycles=CYCLES[: len(sizes)]), trial=trial))
    found = {plot.title: plot for plot in cohort_plots(courses)}
    best = found["Best change of the sum of target diameters from baseline"]
    # Largest increase first; after progression nothing counts.
    assert best.rows == (
        ("All patients", "01-001", "+24.0 %", "PD"),
        ("All patients", "01-002", "-2.0 %", "SD"),
        ("All patients", "01-000", "-40.0 %", "PR"),
    )
    assert {"PR", "01-000", "+24 %"} <= set(texts(best.svg))
    assert {row[0] for row in found["Courses of the patients"].rows} == {"01-000", "01-001", "01-002"}
    assert SEQUENTIAL_DESIGN in found["Courses of the patients"].note
    assert {row[0] for row in found["Change of the lesions' mean SUVpeak, by route of therapy"].rows} == {
        "Intra-arterial", "Intravenous",
    }  # fmt: skip


def test_what_shrinks_after_progression_is_no_best_change():
    reading = simple_reading(((30.0, 20.0), (40.0, 25.0), (10.0, 5.0)))
    assert best_sum_change(course_of(reading), reading, "P").percent == pytest.approx(30.0)


def test_without_targets_and_numbers_there_is_no_plot():
    assert cohort_plots(()) == ()
    assert waterfall("T", {"A": (Bar("x", None),)}, {}, "") is None
    assert spider("T", {"A": (Line("x", ()),)}, {}, "") is None


def test_many_bars_have_their_names_in_the_table_alone():
    bars = [Bar(f"L{number:02d}", float(number)) for number in range(120)]
    plot = waterfall("T", {"A": bars}, {}, "")
    assert len(plot.rows) == 120
    assert "L05" not in texts(plot.svg)


def test_names_are_escaped():
    plot = waterfall("<b>", {"A&B": (Bar("<script>", 5.0),)}, {}, "")
    assert "<script>" in texts(plot.svg)
    assert "<script>" not in plot.svg
    assert "<b>" not in plot.svg


@pytest.mark.parametrize("shift", [0.0, 30.0])
@pytest.mark.parametrize(
    ("normal", "offset", "lobe"), [(1.0, -5.0, "left"), (1.0, 5.0, "right"), (-1.0, -5.0, "right")]
)
def test_the_lobe_is_the_side_of_the_plane_in_the_position_of_the_ct(normal, offset, lobe, shift):
    found = sized(1, 30.0)
    x, y, z = found.centroid_lps_mm
    record = scan(0, found)
    plane = LobePlane(point_lps_mm=(x + offset - shift, y, z), normal_lps=(normal, 0.0, 0.0), landmark="the spine")
    mismatch = Mismatch(shift_lps_mm=(shift, 0.0, 0.0), method="test")
    masks = tuple(mask.model_copy(update={"drawn_on": "pet"}) for mask in record.segmentation.masks)
    update = {"lobes": plane, "mismatch": mismatch, "masks": masks}
    first = record.model_copy(update={"segmentation": record.segmentation.model_copy(update=update)})
    reading = reading_of([first, scan(1, found)], [track("L01", 1, 1)])
    assert reading.lesions[0].lobe == lobe


@given(st.floats(-1e4, 1e4), st.floats(0.1, 1e4))
def test_ticks_are_few_even_and_within_the_bounds(low, width):
    found = ticks(low, low + width)
    assert len(found) <= 8
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)
    steps = {round(b - a, 6) for a, b in pairwise(found)}
    assert max(steps, default=0) - min(steps, default=0) <= 1e-3


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.lists(st.builds(Bar, st.text(max_size=30),
       st.none() | st.floats(-100, 1e6))), max_size=5))  # fmt: skip
def test_every_waterfall_is_well_formed_and_lists_every_bar(groups):
    plot = waterfall("T", groups, {-30.0: "PR"}, "")
    if plot is not None:
        assert len(plot.rows) == sum(map(len, groups.values()))


def test_a_picture_is_well_formed_xml():
    svg = Svg(10, 10, "a < b")
    svg.text((1, 1), "x & y", turn=-60)
    root = ET.fromstring(svg.render())
    assert root.find("title").text == "a < b"
