"""In OHIF, a viewer that others made: every outline at its place, every diameter on its slice, the same SUVs.

The viewer runs in a browser without a screen, with WebGL in software. What it shows is read from its own state and
from the pixels that it drew, and compared with the DICOM files and the record as other readers find them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from PIL import Image
from skimage.color import lab2rgb

from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from fixtures.command_line import run_cli
from fixtures.ohif import needs_ohif, shown_by_ohif, viewer_of
from fixtures.phantoms import few_lesions

pytestmark = needs_ohif
REPORT, STRUCTURES = 9003, 9008
RWV_STORAGE = "1.2.840.10008.5.1.4.1.1.67"


def phantom(folder: Path) -> Path:
    write_study(make_phantom(few_lesions()), folder)
    return folder / "study"


def real_ct(_: Path) -> Path:
    """A real CT with a simulated PET, where it is there."""
    root = Path(__file__).resolve().parents[2]
    study = Path(os.environ.get("DOTALIVER_DATA", root.parent / "shared" / "data")) / "hybrid_moderate" / "study"
    if not study.is_dir():
        pytest.skip("the real data are not there: set DOTALIVER_DATA or put them in ../shared/data")
    return study


# The real CT shows the same on more slices, and takes the browser longer than the phantom.
STUDIES = [
    pytest.param(phantom, id="phantom", marks=pytest.mark.xdist_group("phantom")),
    pytest.param(real_ct, id="real_ct", marks=[pytest.mark.xdist_group("real_ct"), pytest.mark.slow]),
]


class Shown:
    """A scored study, and what the viewer shows of it."""

    def __init__(self, study: Path, folder: Path) -> None:
        self.folder, self.pictures = folder / "score", folder / "pictures"
        done = run_cli("score", study, "--out", self.folder, "--rtstruct", "--no-report", "--quiet")
        assert done.status == 0, done.err
        self.record = json.loads((self.folder / "score.json").read_text())
        self.objects = {int(d.SeriesNumber): d for d in map(pydicom.dcmread, sorted(self.folder.glob("*.dcm")))}
        self.masks = {
            number: highdicom.seg.Segmentation.from_dataset(each, copy=True)
            for number, each in self.objects.items()
            if each.Modality == "SEG"
        }
        self.images = {
            str(d.SOPInstanceUID): d for d in map(pydicom.dcmread, sorted(study.rglob("*.dcm"))) if "PixelData" in d
        }
        job = {
            "study": self.record["study"]["study_instance_uid"],
            "series": len(self.objects) + len({d.SeriesInstanceUID for d in self.images.values()}),
            "segmentations": sorted(self.masks),
            "report": REPORT,
            "structures": STRUCTURES,
            "points": [point for point, _ in self.hottest()],
        }
        with viewer_of(folder, study, self.folder) as address:
            self.viewer = shown_by_ohif({**job, "url": address}, self.pictures)

    def segments(self, number: int) -> dict[str, tuple[np.ndarray, tuple[float, ...]]]:
        """Positions of the middles of a segment's voxels (LPS, mm) and its colour (sRGB, 0 to 255), by its name."""
        seg = self.masks[number]
        shared = seg.SharedFunctionalGroupsSequence[0]
        row, column = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
        down, across = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
        found = {}
        for segment in seg.SegmentSequence:
            places = []
            for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
                which = group if "SegmentIdentificationSequence" in group else shared
                if which.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment.SegmentNumber:
                    j, i = np.nonzero(frame)
                    corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
                    places.append(corner + np.outer(i * across, row) + np.outer(j * down, column))
            lightness, a, b = np.array(segment.RecommendedDisplayCIELabValue) / 65535
            rgb = lab2rgb([lightness * 100, a * 255 - 128, b * 255 - 128]) * 255
            found[segment.SegmentLabel] = np.concatenate(places), tuple(rgb)
        return found

    def hottest(self) -> list[tuple[list[float], float]]:
        """The voxel of each lesion with the highest uptake: where it lies, and its SUV by our record."""
        pet = self.record["study"]["pet"]["series_instance_uid"]
        slices = sorted(
            (d for d in self.images.values() if d.SeriesInstanceUID == pet), key=lambda d: d.ImagePositionPatient[2]
        )
        levels = np.array([float(d.ImagePositionPatient[2]) for d in slices])
        outlines = self.segments(9001)
        found = []
        for lesion in self.record["lesions"]:
            best, at = -1.0, None
            for point in outlines[f"Lesion {lesion['label']}"][0]:
                image = slices[int(np.abs(levels - point[2]).argmin())]
                x, y, _ = map(float, image.ImagePositionPatient)
                down, across = map(float, image.PixelSpacing)
                j, i = round((point[1] - y) / down), round((point[0] - x) / across)
                value = float(image.pixel_array[j, i]) * float(image.RescaleSlope)
                if value > best:
                    best, at = value, point.tolist()
            found.append((at, lesion["suv_max"]))
        return found


@pytest.fixture(scope="module", params=STUDIES)
def shown(request, tmp_path_factory) -> Shown:
    folder = tmp_path_factory.mktemp("viewer")
    return Shown(request.param(folder / "made"), folder)


def direction(colour) -> np.ndarray:
    """What makes a colour differ from grey, without its strength."""
    away = np.asarray(colour, float) - np.mean(colour)
    return away / np.linalg.norm(away)


def test_the_viewer_opens_everything_and_logs_no_error(shown) -> None:
    viewer = shown.viewer
    assert "stopped" not in viewer, viewer["stopped"]
    assert viewer["logged"]["errors"] == []
    assert viewer["isolated"] is True
    modalities = sorted(series["modality"] for series in viewer["series"])
    assert modalities == sorted(["CT", "PT", "SR", "RTSTRUCT", "RWV", *["SEG"] * len(shown.masks)])


def test_only_the_map_to_suv_bears_a_sign_since_the_viewer_does_not_know_its_class(shown) -> None:
    """The sign at the RWV object says nothing of its content: OHIF has no handler for the whole SOP class."""
    signs = {series["modality"]: series["messages"] for series in shown.viewer["series"] if series["messages"]}
    assert list(signs) == ["RWV"]
    assert [message["sopClassUid"] for message in signs["RWV"]] == [RWV_STORAGE]
    assert [series["modality"] for series in shown.viewer["series"] if series["unsupported"]] == ["RWV"]


def test_every_segment_is_there_named_coloured_and_at_its_place(shown) -> None:
    total = 0
    for number in shown.masks:
        expected = shown.segments(number)
        found = {segment["label"]: segment for segment in shown.viewer["segmentations"][str(number)]}
        assert list(found) == list(expected)
        spacing = shown.masks[number].SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        voxel_mm = min(*map(float, spacing.PixelSpacing), float(spacing.SpacingBetweenSlices))
        for name, (places, colour) in expected.items():
            segment = found[name]
            assert segment["voxels"] == len(places), name
            assert np.linalg.norm(segment["centroid_lps_mm"] - places.mean(axis=0)) < 0.1 * voxel_mm, name
            # The colour as the viewer converts it, by another white point than ours
            assert np.abs(np.subtract(segment["colour"], colour)).max() < 30, name
            # A pixel in its midst: the image's grey, tinted
            assert np.ptp(segment["pixel"]) > 0, f"{name} is not drawn: its pixel is grey {segment['pixel']}"
            assert direction(segment["pixel"]) @ direction(segment["colour"]) > 0.97, (name, segment["pixel"])
            total += 1
    assert total > len(shown.record["lesions"]) + 1


def test_every_diameter_is_drawn_on_its_slice_with_its_number(shown) -> None:
    drawn = {m["label"]: m for m in shown.viewer["measurements"]}
    with_axes = {f"Lesion {lesion['label']}": lesion for lesion in shown.record["lesions"] if lesion["diameter"]}
    assert len(with_axes) >= 5
    assert {name for name in drawn if "," not in name} == set(with_axes)
    for name, lesion in with_axes.items():
        found, diameter = drawn[name], lesion["diameter"]
        assert found["series"] == diameter["series_instance_uid"]
        assert (found["finding"], found["sites"]) == ("Neoplasm", ["Liver"] if lesion["in_liver"] else [])
        axes = [(diameter["long_axis_lps_mm"], lesion["longest_diameter_mm"])]
        if diameter["short_axis_lps_mm"]:
            axes.append((diameter["short_axis_lps_mm"], lesion["short_axis_mm"]))
        image = shown.images[found["sop"]]
        height = float(image.ImagePositionPatient[2])
        assert all(abs(point[2] - height) < 0.01 for ends, _ in axes for point in ends)
        numbers = [float(text.split()[1]) for text in found["text"]]
        assert numbers == pytest.approx([length for _, length in axes], abs=0.06), name
        assert any(text == "".join((name, *found["text"])) for text in found["texts"]), (name, found["texts"])
        for ends, _ in axes:
            off = [
                min(np.linalg.norm(np.subtract(line, order), axis=1).max() for order in (ends, ends[::-1]))
                for line in found["lines_lps_mm"]
            ]
            # Within a pixel of the screen, which is smaller than one of the image
            assert found["pixel_mm"] < min(map(float, image.PixelSpacing))
            assert min(off) <= found["pixel_mm"], (name, off)
            assert_drawn(shown.pictures / f"measurement-{found['uid']}.png", found["lines"][int(np.argmin(off))])


def assert_drawn(picture: Path, line: list[float]) -> None:
    """A line is there in colour, within a pixel, on an image in grey."""
    pixels = np.asarray(Image.open(picture).convert("RGB"), int)
    x, y = (np.linspace(line[i], line[i + 2], 24)[2:-2].round().astype(int) for i in (0, 1))
    around = [pixels[y + j, x + i] for j in (-1, 0, 1) for i in (-1, 0, 1)]
    saturation = np.max([each.max(axis=1) - each.min(axis=1) for each in around], axis=0)
    assert (saturation > 60).mean() > 0.9, picture.name


def test_contours_have_the_names_of_the_structure_set(shown) -> None:
    names = [roi.ROIName for roi in shown.objects[STRUCTURES].StructureSetROISequence]
    assert shown.viewer["structures"] == names


def test_suvs_are_those_of_the_record(shown) -> None:
    expected = [suv for _, suv in shown.hottest()]
    assert len(expected) >= 5
    np.testing.assert_allclose(shown.viewer["uptake"], expected, rtol=0.005)
