"""The map from stored values to SUV says what the SUV arithmetic says, slice by slice."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.export.dicom.real_world_value_map import suv_map
from fixtures.derived_dicom import PET_SLOPE, dciodvfy_errors, needs_dciodvfy, sources, written
from fixtures.scores import small_case, suv

FACTOR = 8.6e-4  # SUV per Bq/ml in fixtures.scores.suv


def lines(dataset):
    """Slope and intercept of each PET slice by its UID."""
    found = {}
    for item in dataset.ReferencedImageRealWorldValueMappingSequence:
        mapping = item.RealWorldValueMappingSequence[0]
        for image in item.ReferencedImageSequence:
            assert image.ReferencedSOPInstanceUID not in found
            found[image.ReferencedSOPInstanceUID] = (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept)
    return found


def test_one_slope_maps_every_slice_by_its_rescale_slope_and_the_factor() -> None:
    case = small_case()
    given = sources(case)
    dataset = suv_map(case.score, case.volumes.pet.geometry, given)
    assert lines(dataset) == {h.SOPInstanceUID: (PET_SLOPE * FACTOR, 0.0) for h in given.pet_headers}
    mapping = dataset.ReferencedImageRealWorldValueMappingSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "g/ml{SUVbw}"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue == "126401"
    assert (mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped) == (-32768, 32767)


def test_slices_with_their_own_slopes_and_factors_keep_them() -> None:
    factors = tuple(np.linspace(1e-4, 2e-4, 24))
    arithmetic = suv().model_copy(update={"slope_per_bqml": None, "slopes_per_bqml": factors})
    case = small_case(suv=arithmetic)
    given = sources(case)
    for index, header in enumerate(given.pet_headers):
        header.RescaleSlope, header.RescaleIntercept = str(1 + index / 8), "-2"
    found = lines(suv_map(case.score, case.volumes.pet.geometry, given))
    for index, header in enumerate(given.pet_headers):
        assert found[header.SOPInstanceUID] == ((1 + index / 8) * factors[index], -2 * factors[index])


def test_the_map_of_a_multi_frame_pet_names_its_frames() -> None:
    case = small_case()
    identity = case.score.study.pet.model_copy(
        update={"sop_class_uid": "1.2.840.10008.5.1.4.1.1.130", "sop_instance_uids": ("1.2.3.40.0",) * 24}
    )
    score = case.score.model_copy(update={"study": case.score.study.model_copy(update={"pet": identity})})
    given = sources(case)
    for index, header in enumerate(given.pet_headers):
        header.SOPInstanceUID, header.ReferencedFrameNumber = "1.2.3.40.0", 24 - index
        header.RescaleSlope = "2" if index < 4 else "3"
    items = suv_map(score, case.volumes.pet.geometry, given).ReferencedImageRealWorldValueMappingSequence
    frames = {
        item.RealWorldValueMappingSequence[0].RealWorldValueSlope: [
            i.ReferencedFrameNumber for i in item.ReferencedImageSequence
        ]
        for item in items
    }
    assert frames == {2 * FACTOR: [24, 23, 22, 21], 3 * FACTOR: list(range(20, 0, -1))}
    assert {i.ReferencedSOPClassUID for item in items for i in item.ReferencedImageSequence} == {
        "1.2.840.10008.5.1.4.1.1.130"
    }


def test_relative_uptake_and_unknown_storage_have_no_map() -> None:
    relative = small_case(relative=True)
    assert suv_map(relative.score, relative.volumes.pet.geometry, sources(relative)) is None
    case = small_case()
    given = sources(case)
    del given.pet_headers[3].RescaleSlope
    assert suv_map(case.score, case.volumes.pet.geometry, given) is None


@needs_dciodvfy
@pytest.mark.parametrize("own_slopes", [False, True])
def test_dciodvfy_finds_no_errors(own_slopes: bool, tmp_path) -> None:
    case = small_case()
    given = sources(case)
    for index, header in enumerate(given.pet_headers):
        header.RescaleSlope = str(1 + index * own_slopes / 8)
    path = written(suv_map(case.score, case.volumes.pet.geometry, given), tmp_path / "suv_map.dcm")
    assert dciodvfy_errors(path) == []
