"""Diameters on MR: from a folder with PET/CT and MR to verdicts, report, SR and response, through the command line."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.volume import LabelMap
from dotaliver.phantom.mr import PhantomMr, draw_mr_spec, make_mr
from dotaliver.phantom.study import PhantomStudy, make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.records.score import StudyScore
from fixtures.command_line import SECRETS, change, run_cli
from fixtures.outlining import outline_once
from fixtures.phantoms import few_lesions

MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"


def record(folder) -> StudyScore:
    return StudyScore.model_validate_json((folder / "score.json").read_text())


@pytest.fixture(scope="module")
def made() -> tuple[PhantomStudy, PhantomMr]:
    phantom = make_phantom(few_lesions())
    return phantom, make_mr(phantom, draw_mr_spec(phantom, "t1_hepatobiliary", 3))


@pytest.fixture(scope="module")
def with_mr(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mr") / "made"
    write_study(made[0], folder, [made[1]])
    change(sorted((folder / "study").rglob("*.dcm")), **SECRETS)
    return folder / "study"


@pytest.fixture(scope="module")
def unread(with_mr, tmp_path_factory) -> Path:
    """The score before the reader drew anything; under the old name of the option."""
    folder = tmp_path_factory.mktemp("unread") / "score"
    with pytest.MonkeyPatch.context() as patch:
        outline_once(patch, tmp_path_factory)
        done = run_cli("score", with_mr, "--recist-ct", "11", "--out", folder, "-q")
    assert done.status == 0, done.err
    return folder


def test_a_score_is_measured_on_another_image_by_rescore(with_mr, unread, tmp_path, no_pictures):
    assert run_cli("score", with_mr, "--out", tmp_path / "ct", "-q").status == 0
    done = run_cli("rescore", tmp_path / "ct", "--recist-image", "*vibe*", "--out", tmp_path / "mr", "-q")
    assert done.status == 0, done.err
    moved, directly = record(tmp_path / "mr"), record(unread)
    assert moved.study.recist_image == directly.study.recist_image
    assert moved.segmentation.recist_registration == directly.segmentation.recist_registration
    assert [x.diameter for x in moved.lesions] == [x.diameter for x in directly.lesions]
    assert moved.criteria["INC4"].reason == directly.criteria["INC4"].reason
    refused = run_cli("rescore", tmp_path / "ct", "--recist-image", "*portal*", "--out", tmp_path / "none", "-q")
    assert refused.status == 3
    assert "--recist-image *portal*: there is no such CT or MR series in the folder" in refused.err
    assert not (tmp_path / "none").exists()


def truth_of(made, score) -> dict[int, int]:
    """The phantom's lesion for each measured one, by where its centre lies on the PET."""
    on_pet = made[0].lesions_on_pet
    found = {}
    for lesion in score.lesions:
        index = np.rint(on_pet.geometry.lps_to_index(lesion.centroid_lps_mm)).astype(int)
        label = int(on_pet.array[tuple(index)])
        if label and label not in found.values():
            found[lesion.label] = label
    return found


def drawn_on(labels: LabelMap, label: int) -> tuple[list[list[float]], float]:
    """Ends and length of the longest line through a true lesion within one slice of an image."""
    index = np.argwhere(labels.array == label)
    best = max(np.unique(index[:, 0]), key=lambda k: (index[:, 0] == k).sum())
    points = labels.geometry.index_to_lps(index[index[:, 0] == best])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    a, b = np.unravel_index(apart.argmax(), apart.shape)
    return [points[a].tolist(), points[b].tolist()], float(apart.max())


@pytest.fixture(scope="module")
def drawn(made, unread) -> dict:
    """A reader's diameters on the MR, by the phantom's truth there."""
    score = record(unread)
    uid = score.study.recist_image.series_instance_uid
    lesions, lengths = [], {}
    for label, true in truth_of(made, score).items():
        if (made[1].lesions.array == true).sum() < 30:
            continue
        ends, lengths[label] = drawn_on(made[1].lesions, true)
        lesions.append({"label": label, "diameter": {"long_axis_lps_mm": ends, "series_instance_uid": uid}})
    return {"edits": {"reader": {"name": "A. Reader"}, "lesions": lesions}, "lengths": lengths}


@pytest.fixture(scope="module")
def read(unread, drawn, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("read")
    (folder / "edits.json").write_text(json.dumps(drawn["edits"]))
    done = run_cli("rescore", unread, "--edits", folder / "edits.json", "--out", folder / "score", "-q")
    assert done.status == 0, done.err
    return folder / "score"


# --- before the reader -----------------------------------------------------------------------------------------------


def test_no_diameter_comes_from_the_ct_where_an_mr_was_named(unread):
    found = record(unread)
    series = found.study.recist_image
    assert (series.modality, series.sop_class_uid, series.series_number) == ("MR", MR_CLASS, 11)
    assert "hepatobiliary phase" in series.sequence
    assert {lesion.diameter_source for lesion in found.lesions} == {"pet"}
    assert not found.segmentation.unseen_on_ct
    assert "ct_lesions" not in {mask.name for mask in found.segmentation.masks}
    inc4 = found.criteria["INC4"]
    assert inc4.verdict == "indeterminate"
    assert "let a reader draw it on MR" in inc4.reason
    assert {"DIAMETERS_ON_MR", "RECIST_MR_REGISTERED"} <= {flag.code for flag in found.flags}


def test_how_far_the_mr_lies_from_its_own_coordinates_is_said(unread):
    found = record(unread)
    (flag,) = (flag for flag in found.flags if flag.code == "RECIST_MR_REGISTERED")
    registration = found.segmentation.recist_registration
    centre = np.asarray(found.references["liver"].centre_lps_mm)
    shift = np.linalg.norm(registration.places_on_image(centre[None])[0] - centre)
    said = re.search(r"study, (\d+) mm from the place that its coordinates state", flag.sentence)
    # The sentence speaks of the liver's middle; a rotation of a few degrees moves the reference sphere a little more
    assert float(said[1]) == pytest.approx(shift, abs=15.0)


def test_the_registration_is_as_exact_as_the_record_states(made, unread):
    registration = record(unread).segmentation.recist_registration
    points = made[1].liver_points_lps_mm[::50]
    error = np.linalg.norm(registration.places(points) - made[1].to_ct(points), axis=1)
    assert np.percentile(error, 95) <= registration.error_mm
    np.testing.assert_allclose(registration.places_on_image(registration.places(points)), points, atol=1e-9)
    report = (unread / "report.html").read_text()
    assert f"error up to {registration.error_mm:.0f} mm" in report
    assert "normalised mutual information" in report


def test_an_mr_in_the_folder_that_nobody_names_changes_nothing(with_mr, scored, tmp_path, masks_only):
    done = run_cli("score", with_mr, "--out", tmp_path / "score", "-q")
    assert done.status == 0, done.err
    assert record(tmp_path / "score").record_id == record(scored).record_id


# --- the reader's diameters ------------------------------------------------------------------------------------------


def test_diameters_drawn_on_mr_count_and_say_so(read, drawn):
    found = record(read)
    by_label = {lesion.label: lesion for lesion in found.lesions}
    for label, mm in drawn["lengths"].items():
        lesion = by_label[label]
        assert lesion.longest_diameter_mm == pytest.approx(mm)
        assert (lesion.diameter_source, lesion.diameter.modality) == ("reader", "MR")
        assert lesion.diameter.series_instance_uid == found.study.recist_image.series_instance_uid
    assert found.criteria["INC4"].verdict == "met"
    assert "drawn by A. Reader (reader) on MR" in found.criteria["INC4"].reason
    rows = {row["Lesion"]: row for row in csv.DictReader((read / "lesions.csv").read_text("utf-8-sig").splitlines())}
    assert {rows[str(label)]["Diameter from"] for label in drawn["lengths"]} == {"reader, on MR"}
    report = (read / "report.html").read_text()
    assert "(reader, MR)" in report
    assert "where the MR shows it" in report


def test_the_structured_report_refers_to_the_slices_of_the_mr(read):
    found, report = record(read), pydicom.dcmread(read / "measurements.dcm")
    uids = set(found.study.recist_image.sop_instance_uids)
    referred: dict[str, set[str]] = {}

    def collect(item, element):
        if element.keyword == "ReferencedSOPInstanceUID" and element.value in uids:
            referred.setdefault(item.ReferencedSOPClassUID, set()).add(element.value)

    report.walk(collect)
    assert set(referred) == {MR_CLASS}
    assert referred[MR_CLASS] == uids
    text = str(report)
    assert "Magnetic Resonance" in text
    assert "Modality of the image with the diameter" in text


def test_the_same_record_comes_back_from_its_folder(read, tmp_path, masks_only):
    done = run_cli("rescore", read, "--out", tmp_path / "again", "-q")
    assert done.status == 0, done.err
    assert record(tmp_path / "again").record_id != ""
    assert record(tmp_path / "again").lesions == record(read).lesions
    assert record(tmp_path / "again").segmentation == record(read).segmentation


def test_a_clicked_lesion_is_measured_on_the_mr_stored_and_measured_again(made, unread, tmp_path):
    """Its true size there is known; the picture shows the outline that was found on the MR."""
    true = made[1].lesions
    label = max(true.labels, key=lambda n: np.count_nonzero(true.array == n))
    _, length_mm = drawn_on(true, label)
    depth = distance_inside_mm(true.array == label, true.geometry.spacing_mm)
    middle = true.geometry.index_to_lps(np.unravel_index(depth.argmax(), depth.shape))
    place = ",".join(f"{x:.1f}" for x in middle)
    done = run_cli("rescore", unread, "--lesion-at", place, "--out", tmp_path / "clicked", "-q")
    assert done.status == 0, done.err
    clicked = record(tmp_path / "clicked")
    (measured,) = (x for x in clicked.lesions if x.diameter_source == "click")
    assert measured.diameter.series_instance_uid == clicked.study.recist_image.series_instance_uid
    low, high = measured.diameter.interval_mm
    assert low <= length_mm <= high
    page = (tmp_path / "clicked" / "report.html").read_text()
    assert f"Lesion {measured.label} on MR" in page
    assert "with its outline, longest diameter and short axis" in page
    again = run_cli("rescore", tmp_path / "clicked", "--out", tmp_path / "again", "--no-report", "-q")
    assert again.status == 0, again.err
    assert record(tmp_path / "again").record_id == clicked.record_id
    assert record(tmp_path / "again").lesions == clicked.lesions


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda edit, _: edit["diameter"].pop("series_instance_uid"), "does not say on which image"),
        (lambda edit, _: edit["diameter"].update(series_instance_uid="1.2.3"), "names a series that was not read"),
        (lambda edit, _: edit["diameter"]["long_axis_lps_mm"][0].__setitem__(2, 400.0), "lies outside MR series 11"),
        (lambda edit, _: edit["diameter"]["long_axis_lps_mm"][0].__setitem__(
            2, edit["diameter"]["long_axis_lps_mm"][1][2] + 12.0), "runs through slices of MR series 11"),
        (lambda edit, far: edit.update(label=far), "mm from the lesion"),
    ],
)  # fmt: skip
def test_a_diameter_that_is_not_on_its_lesion_or_names_no_image_is_refused(spoil, says, unread, drawn, tmp_path):
    edits = json.loads(json.dumps(drawn["edits"]))
    first = edits["lesions"][0]
    edits["lesions"] = [first]
    score = record(unread)
    own = next(lesion for lesion in score.lesions if lesion.label == first["label"])
    far = max(score.lesions, key=lambda n: np.linalg.norm(np.subtract(n.centroid_lps_mm, own.centroid_lps_mm)))
    spoil(first, far.label)
    (tmp_path / "edits.json").write_text(json.dumps(edits))
    done = run_cli("rescore", unread, "--edits", tmp_path / "edits.json", "--out", tmp_path / "out", "-q")
    assert done.status in {2, 3}
    assert says in done.err
    assert not (tmp_path / "out").exists()


# --- what is no MR of this liver -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param(
            {"centre_lps_mm": (0.0, 0.0, -160.0), "size_mm": (150.0, 300.0, 380.0)},
            "MR series 11",
            marks=pytest.mark.slow,
        ),
        pytest.param({"size_mm": (80.0, 300.0, 380.0)}, "the liver", marks=pytest.mark.slow),
        ({"size_mm": (105.0, 300.0, 380.0)}, "% of the liver"),
        ("noise", "does not show the liver"),
    ],
)
def test_an_mr_of_another_part_of_the_body_is_refused(changes, says, made, with_mr, tmp_path):
    folder = Path(shutil.copytree(with_mr, tmp_path / "copy"))
    if changes == "noise":
        rng = np.random.default_rng(4)
        for path in (folder / "mr_t1_hepatobiliary").iterdir():
            dataset = pydicom.dcmread(path)
            dataset.PixelData = rng.integers(0, 900, dataset.pixel_array.shape).astype("<u2").tobytes()
            dataset.save_as(path)
    else:
        from dotaliver.phantom.mr_writer import write_mr

        shutil.rmtree(folder / "mr_t1_hepatobiliary")
        phantom, mr = made
        write_mr(phantom, make_mr(phantom, mr.spec.model_copy(update=changes)), folder / "mr", 11)
        change(sorted((folder / "mr").iterdir()), **SECRETS)
    done = run_cli("score", folder, "--recist-image", "11", "--out", tmp_path / "score", "-q")
    assert done.status == 3
    assert says in done.err
    assert "--recist-image" in done.err
    assert not (tmp_path / "score").exists()
