"""A series that is read slice by slice when it is needed has the voxels and the hash of the one in memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, RLELossless

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.lazy import ct_image_of, lazy_ct, lazy_scaled
from dotaliver.dicom.pixels.series import ct_volume, read_stored, rescale_of, scaled
from dotaliver.dicom.study import load_chosen
from dotaliver.errors import FileFormatError, SeriesError
from dotaliver.image.volume import Quantity, Volume
from fixtures.dicom_series import ramp, rewritten, write_series, write_study
from strategies import boxes_in


def stack_in(folder):
    (series,) = index_folder(folder).series
    return stack_of(series)


def same(lazy, whole):
    assert not lazy.in_memory
    assert whole.in_memory
    assert (lazy.geometry, lazy.quantity, lazy.dtype) == (whole.geometry, whole.quantity, whole.array.dtype)
    np.testing.assert_array_equal(lazy.loaded().array, whole.array)
    assert lazy.sha256() == whole.sha256()


@pytest.mark.parametrize(
    "changes",
    [
        {"intercept": -1024.0},
        {"slopes": (1, 2, 3, 1, 2, 3), "intercept": -7.0},
        {"slopes": (0.5,) * 6, "intercept": -10.0},
        {"stored": np.full((6, 3, 3), 60000, np.uint16), "intercept": -1024.0},
        {"stored": np.concatenate([ramp((5, 4, 3)), np.full((1, 4, 3), 32000, np.int16)]), "slopes": (2,) * 6},
    ],
    ids=["whole", "slopes", "fractions", "too large", "too large in the last slice"],
)
def test_a_ct_is_the_one_in_memory(tmp_path, changes):
    write_series(tmp_path, modality="CT", **changes)
    stack = stack_in(tmp_path)
    same(lazy_ct(stack, 0), ct_volume(stack))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_slices_too(tmp_path, syntax):
    for path in write_series(tmp_path, modality="CT", stored=ramp((40, 32, 32)), intercept=-100.0):
        rewritten(path, syntax)
    stack = stack_in(tmp_path)
    same(lazy_ct(stack, 0), ct_volume(stack))


def test_a_pet_is_the_one_in_memory(tmp_path):
    write_series(tmp_path, slopes=(1, 0.5, 0.333333, 1.189561907, 2.75, 1e-3))
    stack = stack_in(tmp_path)
    factors = rescale_of(stack)[0] * np.float64(0.00042)
    whole = Volume(scaled(read_stored(stack), factors), stack.geometry, Quantity.SUVBW)
    same(lazy_scaled(stack, factors, Quantity.SUVBW, 0), whole)


def test_a_study_within_a_bound_is_the_study(tmp_path):
    choice = choose_series(index_folder(write_study(tmp_path)))
    free = load_chosen(choice, ScoringConfig())
    bounded = load_chosen(choice, ScoringConfig(), memory_bytes=1)
    same(bounded.pet, free.pet)
    same(bounded.ct, free.ct)
    assert bounded.identity == free.identity
    assert bounded.flags == free.flags


def test_an_image_that_is_small_beside_the_bound_is_held(tmp_path):
    write_series(tmp_path, modality="CT")
    stack = stack_in(tmp_path)
    image_bytes = 2 * 6 * 5 * 4
    assert ct_image_of(stack, 16 * image_bytes).in_memory
    assert not ct_image_of(stack, 16 * image_bytes - 1).in_memory
    assert ct_image_of(stack, None).in_memory


@given(st.data())
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_box_is_that_of_the_whole(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("series")
    stored = ramp((data.draw(st.integers(2, 40)), 5, 4))
    write_series(folder, modality="CT", stored=stored, intercept=-3.0)
    volume = lazy_ct(stack_in(folder), data.draw(st.integers(0, 5000)))
    for _ in range(3):
        box = data.draw(boxes_in(stored.shape))
        np.testing.assert_array_equal(volume.crop(box).array, stored[box] - 3)


def test_a_file_that_is_cut_short_is_named(tmp_path):
    paths = write_series(tmp_path, modality="CT", stored=ramp((6, 32, 32)))
    stack = stack_in(tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    with pytest.raises(FileFormatError, match=r"003\.dcm"):
        lazy_ct(stack, 0)


def test_a_file_that_is_lost_while_the_study_is_scored_is_named(tmp_path):
    paths = write_series(tmp_path, modality="CT", stored=ramp((40, 32, 32)))
    volume = lazy_ct(stack_in(tmp_path), 0)
    paths[2].unlink()
    with pytest.raises(FileFormatError, match=r"002\.dcm"):
        volume.crop((slice(2, 3), slice(0, 1), slice(0, 1)))


def test_what_is_not_in_hounsfield_units_is_refused(tmp_path):
    write_series(tmp_path, modality="CT", elements={"RescaleType": "OD"})
    with pytest.raises(SeriesError, match="Rescale Type"):
        lazy_ct(stack_in(tmp_path), 0)
