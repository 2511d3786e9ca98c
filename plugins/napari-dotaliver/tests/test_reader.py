"""What is offered to napari as ours, and what a reader gives without a window."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from napari_dotaliver._reader import get_reader, read_layers

from dotaliver.errors import DotaliverError
from dotaliver.image.volume import Quantity


def test_a_folder_of_dicom_is_read_in_place_of_napari(study, outcome):
    reader = get_reader(str(study))
    layers = reader(str(study))
    assert [(look["name"], kind) for _, look, kind in layers] == [("CT", "image"), ("PET", "image")]
    volumes = outcome.opened.volumes
    assert volumes.pet.quantity is Quantity.SUVBW
    assert layers[1][0].max() == volumes.pet.array.max()


def test_the_folder_of_a_score_comes_with_its_masks(scored, outcome):
    names = {look["name"]: data for data, look, _ in get_reader(str(scored))(str(scored))}
    assert set(names) == {"CT", "PET", "Liver", "Lesions"}
    assert np.count_nonzero(names["Lesions"]) == np.count_nonzero(outcome.segmentations.lesions.labels.array)


def test_a_file_and_a_zip_of_dicom_are_ours(study, tmp_path):
    file = next(path for path in sorted(study.rglob("*")) if path.is_file())
    assert get_reader(str(file)) is not None
    packed = tmp_path / "study.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(file, file.name)
    assert get_reader(str(packed)) is not None


def test_what_is_no_dicom_is_left_to_others(tmp_path):
    (tmp_path / "picture.tif").write_bytes(b"II*\0" + bytes(200))
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "picture.tif")) is None
    assert get_reader(str(tmp_path / "absent")) is None
    assert get_reader([str(tmp_path), str(tmp_path)]) is None


def test_a_study_that_cannot_be_read_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"nonsense")
    with pytest.raises(DotaliverError):
        read_layers(tmp_path)
