"""Damaged copies of real scans: refused or read, quickly and in little memory."""

import shutil

import pytest

from fixtures.fuzzing import SLICES, fuzzed

FOLDERS = (
    "petct_fdg_ge/pet_ac",
    "spect_dotatate_lu177/image",
    "hybrid_moderate/study/pet",
    "ct_abdomen_labelled/example_ct_dicom",
)


@pytest.mark.parametrize("count", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_damaged_slices_of_real_scans(data, tmp_path, count):
    copies = []
    for name in FOLDERS:
        if not (data / name).exists():
            pytest.skip(f"{name} is not among the real data")
        files = sorted(p for p in (data / name).rglob("*") if p.is_file() and p.name != "LICENSE")
        copy = tmp_path / name.replace("/", "-")
        copy.mkdir()
        for path in files[:SLICES]:
            shutil.copy(path, copy / path.name)
        copies.append(copy)
    found = fuzzed(tmp_path, 7, count, "series", *copies)
    assert found["bases"] == len(FOLDERS)
    assert {"FileFormatError"} <= set(found["outcomes"])
