"""The body phantom: organs of plausible size and place, lesions where truth says, the same voxels each time."""

import numpy as np
import pytest

from dotaliver.phantom.body import make_body
from dotaliver.phantom.body_spec import LESION_SITES, draw_body
from fixtures.bodies import body_phantom


@pytest.fixture(scope="module")
def body():
    return body_phantom(2)


def volume_ml(body, name):
    return float((body.organs.array == body.organ_names.index(name)).sum()) * body.organs.geometry.voxel_volume_ml


def test_organs_have_the_size_of_an_adults(body):
    # Reference values of ICRP publication 89, wide: bodies of 45 to 130 kg.
    limits = {
        "liver": (900, 2600),
        "spleen": (60, 450),
        "kidney": (150, 550),
        "lung": (2000, 7000),
        "bladder": (30, 700),
        "adrenal": (0.5, 20),
    }
    for name, (low, high) in limits.items():
        assert low < volume_ml(body, name) < high, name


def test_organs_lie_from_head_to_thigh_in_their_order(body):
    grid, middle = body.organs.geometry, {}
    for name in ("pituitary", "salivary", "thyroid", "heart", "liver", "kidney", "bladder"):
        index = np.argwhere(body.organs.array == body.organ_names.index(name))
        if len(index):
            middle[name] = grid.index_to_lps(index.mean(axis=0))[2]
    assert list(middle.values()) == sorted(middle.values(), reverse=True)


def test_each_lesion_takes_up_what_truth_says_where_it_says(body):
    pet = body.volumes.pet
    for lesion in body.placed:
        assert lesion.site in {*LESION_SITES, "liver"}
        if lesion.diameter_mm < 25:
            continue  # blur lowers the middle of smaller ones
        index = np.rint(pet.geometry.lps_to_index(lesion.centre_lps_mm)).astype(int)
        around = tuple(slice(n - 1, n + 2) for n in index)
        assert pet.array[around].mean() == pytest.approx(lesion.suv, rel=0.35)


def test_the_same_specification_gives_the_same_voxels_and_a_clean_one_no_lesion():
    spec = draw_body(5, clean=True).model_copy(update={"bottom_mm": -120.0, "top_mm": 120.0})
    first, second = make_body(spec), make_body(spec)
    assert first.volumes.pet.sha256() == second.volumes.pet.sha256()
    assert first.volumes.ct.sha256() == second.volumes.ct.sha256()
    assert first.placed == () and not first.lesions.labels


def test_bodies_differ_in_what_the_search_has_to_cope_with():
    specs = [draw_body(seed) for seed in range(60)]
    assert {spec.arms for spec in specs} == {"up", "down"}
    assert {spec.kidneys for spec in specs} == {"both", "left", "right"}
    assert {spec.trunk.patient.sex for spec in specs} == {"M", "F"}
    assert not all(spec.trunk.neighbours.spleen for spec in specs) and not all(spec.stomach for spec in specs)
    weights = [spec.trunk.patient.weight_kg for spec in specs]
    assert min(weights) < 52 and max(weights) > 105
