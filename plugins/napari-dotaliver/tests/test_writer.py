"""Masks saved from napari: as DICOM that reads back to the same voxels, as NIfTI that lies where the patient is."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver._writer import write_nifti, write_seg
from napari_dotaliver.view.study_layers import StudyLayers

from dotaliver.dicom.masks.reading import read_mask
from dotaliver.errors import MaskError


@pytest.fixture
def layers(session) -> StudyLayers:
    shown = StudyLayers(ViewerModel(), session.volumes)
    shown.show(session)
    return shown


def test_masks_are_saved_as_dicom_segmentations_of_the_study(layers, session, tmp_path):
    given = [layer.as_layer_data_tuple() for layer in (layers.liver, layers.lesions)]
    written = write_seg(str(tmp_path / "masks.dcm"), given)
    assert written[0] == str(tmp_path / "masks.dcm")
    assert str(tmp_path / "masks_ct.dcm") in written
    lesions = read_mask(tmp_path / "masks.dcm", session.volumes, "lesions")
    np.testing.assert_array_equal(lesions.labels.array, session.segmentations.lesions.labels.array)
    liver = read_mask(tmp_path / "masks_ct.dcm", session.volumes, "liver")
    np.testing.assert_array_equal(liver.labels.mask, session.segmentations.liver.labels.mask)


def test_what_was_painted_and_not_measured_is_not_saved(layers, tmp_path):
    layers.lesions.data[0, 0, 0] = 1
    with pytest.raises(MaskError, match="measure again"):
        write_seg(str(tmp_path / "masks.dcm"), [layers.lesions.as_layer_data_tuple()])
    assert not list(tmp_path.iterdir())


def test_a_layer_that_was_moved_is_not_saved(layers, tmp_path):
    layers.lesions.translate = (4.0, 0.0, 0.0)
    with pytest.raises(MaskError, match="moved"):
        write_seg(str(tmp_path / "masks.dcm"), [layers.lesions.as_layer_data_tuple()])


def test_a_layer_of_no_reading_is_no_segmentation(tmp_path):
    with pytest.raises(MaskError, match="belong to no reading"):
        write_seg(str(tmp_path / "masks.dcm"), [(np.zeros((2, 2, 2), dtype=int), {"name": "mine"}, "labels")])


def test_a_mask_as_nifti_lies_where_the_patient_has_it(layers, session, tmp_path):
    path = tmp_path / "lesions.nii.gz"
    data, meta, _ = layers.lesions.as_layer_data_tuple()
    assert write_nifti(str(path), data, meta) == [str(path)]
    image = nibabel.load(path)
    voxels = np.argwhere(np.asarray(image.dataobj) > 0)
    ras = nibabel.affines.apply_affine(image.affine, voxels)
    labels = session.lesions
    lps = labels.geometry.index_to_lps(np.argwhere(labels.array > 0))
    ours, theirs = lps * [-1, -1, 1], ras
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours[np.lexsort(ours.round(2).T)], theirs[np.lexsort(theirs.round(2).T)], atol=1e-2)


def test_a_mask_without_millimetres_has_no_place_in_a_patient(tmp_path):
    with pytest.raises(MaskError, match="no place in the patient"):
        write_nifti(str(tmp_path / "a.nii.gz"), np.zeros((2, 2, 2), dtype=int), {"name": "mine"})
    assert not list(tmp_path.iterdir())
