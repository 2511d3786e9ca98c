import csv
import io

import pytest

from dotaliver.config.protocol import protocol_named
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.export.response.html import ReadingPictures, response_html
from dotaliver.export.response.pictures import lesion_chart, sum_chart
from dotaliver.export.response.tables import lesions_over_time_csv, time_points_csv
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit
from dotaliver.longitudinal.records import Track
from dotaliver.records.measurements import Diameter
from fixtures.arrays import ball, grid
from fixtures.courses import course_of, reading_of, scan, seen, simple_reading, sized, track

NOTHING = (ReadingPictures({}),)
PROTOCOL = protocol_named("nct04544098")


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_per_lesion_and_scan_under_headings_with_units():
    rows = table(lesions_over_time_csv(course_of(simple_reading())))
    assert len(rows) == 6
    last = next(r for r in rows if r["Lesion"] == "L01" and r["Scan"] == "3")
    assert last["Longest diameter (mm)"] == "20"
    assert last["Counted in the sum (mm)"] == "20"
    assert last["Part in the response"] == "target"
    assert last["Diameter from"] == "CT"
    assert last["Date"] == "2024-07-01"
    assert last["Subject"] == "NCT04544098-01-003"


def test_a_summary_per_scan():
    rows = table(time_points_csv(course_of(simple_reading())))
    assert [r["Sum of target diameters (mm)"] for r in rows] == ["50", "42", "34"]
    assert [r["Overall response"] for r in rows] == ["", "SD", "PR"]
    assert rows[2]["Against baseline (%)"] == "-32"
    assert "partial response" in rows[2]["Why (targets)"]


def test_vanished_and_merged_lesions_have_rows_without_numbers():
    scores = [scan(0, sized(1, 30.0), sized(2, 20.0)), scan(1, sized(1, 45.0))]
    merged = Track(lesion="L02", appearances=(seen(0, 2), seen(1, state="merged", into="L01")))
    rows = table(lesions_over_time_csv(course_of(reading_of(scores, [track("L01", 1, 1), merged]))))
    row = next(r for r in rows if r["Lesion"] == "L02" and r["Scan"] == "2")
    assert (row["Seen as"], row["Merged into"], row["Longest diameter (mm)"]) == ("merged", "L01", "")
    assert row["Counted in the sum (mm)"] == "0"


def test_the_report_is_whole_and_holds_answer_reason_and_question():
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(1, 25.0), sized(2, 9.0, source="pet"))]
    course = course_of(reading_of(scores, [track("L01", 1, 1), track("L02", 2, first=1)], cycles=(None, "ia")))
    page = response_html(course, NOTHING, PROTOCOL)
    assert page.count("data:image/png;base64,") == 2
    for text in ("stable disease", "Is L02 of scan 2 a new lesion?", "Intra-arterial", "25.0 mm", "-16.7 %"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_progression_before_entry_is_named_as_the_protocol_names_it():
    course = course_of(simple_reading())
    page = response_html(course, NOTHING, PROTOCOL)
    assert "Inclusion 6: progression before entry" in page
    assert "Evidence for Inclusion 6" in page
    renamed = PROTOCOL.model_copy(
        update={
            "criteria": tuple(
                c.model_copy(update={"name": "E9", "kind": "exclusion"}) if c.rule == "INC6" else c
                for c in PROTOCOL.criteria
            )
        }
    )
    page = response_html(course, NOTHING, renamed)
    assert "E9: progression before entry" in page
    assert "Inclusion 6" not in page
    silent = PROTOCOL.model_copy(update={"criteria": tuple(c for c in PROTOCOL.criteria if c.rule != "INC6")})
    page = response_html(course, NOTHING, silent)
    assert "Progression before entry" in page
    assert "Inclusion 6" not in page


def test_evidence_of_progression_has_names_and_units():
    page = response_html(course_of(simple_reading()), NOTHING, PROTOCOL)
    assert "Study entry" in page
    assert "window_from" not in page and "window from" not in page


def test_texts_of_readers_and_files_are_escaped():
    edits = CourseEdits(lesions=(LesionCourseEdit(lesion="L01", organ="<img src=x>"),))
    page = response_html(course_of(simple_reading(edits=edits)), NOTHING, PROTOCOL)
    assert "<img src=x>" not in page.lower()
    assert "&lt;img src=x&gt;" in page.lower()


def test_without_known_sums_there_is_no_chart_and_the_page_says_so():
    scores = [scan(n, sized(1, 30.0, source="pet")) for n in (0, 1)]
    reading = reading_of(scores, [track("L01", 1, 1)])
    assert sum_chart(reading, course_of(reading).config) is None
    page = response_html(course_of(reading), NOTHING, PROTOCOL)
    assert "there is no chart" in page
    assert "The images were not found" in page


def test_charts_tell_their_numbers_in_words():
    reading = simple_reading()
    assert "2024-07-01: 34.0 mm" in sum_chart(reading, course_of(reading).config).alt
    assert lesion_chart(reading) is not None


@pytest.mark.parametrize("quantity", [Quantity.HU, Quantity.SUVBW])
def test_a_thumbnail_shows_outline_and_axes(quantity):
    geometry = grid((20, 60, 60), (3.0, 2.0, 2.0))
    where = ball(geometry, (60.0, 60.0, 30.0), 12.0)
    image = Volume((where * 100.0).astype("float32"), geometry, quantity)
    line = Diameter(
        longest_mm=24.0, short_mm=20.0, source="ct",
        long_axis_lps_mm=((48.0, 60.0, 30.0), (72.0, 60.0, 30.0)),
        short_axis_lps_mm=((60.0, 50.0, 30.0), (60.0, 70.0, 30.0)),
    )  # fmt: skip
    view = ThumbnailView(image, (60.0, 60.0, 30.0), LabelMap(where.astype("uint8"), geometry), (1,), line, 10.0)
    drawn, bare = (
        thumbnail(view, "L01"),
        thumbnail(ThumbnailView(image, (60.0, 60.0, 30.0), None, (), None, 10.0), "L01"),
    )
    assert drawn.data_uri.startswith("data:image/png;base64,")
    assert drawn.data_uri != bare.data_uri
    assert drawn.alt == "L01"


def test_a_merged_lesion_names_the_one_that_contains_it():
    scores = [scan(0, sized(1, 30.0), sized(2, 20.0)), scan(1, sized(1, 45.0))]
    merged = Track(lesion="L02", appearances=(seen(0, 2), seen(1, state="merged", into="L01")))
    page = response_html(course_of(reading_of(scores, [track("L01", 1, 1), merged])), NOTHING, PROTOCOL)
    assert "merged with L01" in page
