"""Other masks in the place of those that stand: what stays, and what falls."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.flags import raise_flag
from dotaliver.records.masks import CtSearch, LobePlane, MaskLayer, ReferenceRegion, Segmentations
from dotaliver.segmentation.corrections import Corrections, with_known_outlines, with_masks

CONFIG = ScoringConfig()
# 4 mm voxels, 160 mm along each axis.
GRID = Geometry((40, 40, 40), (0.0, 0.0, 0.0), (4.0, 4.0, 4.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
FAR, NEAR = (slice(2, 5), slice(2, 5), slice(2, 5)), (slice(30, 33), slice(30, 33), slice(30, 33))
SPHERE_MM = (120.0, 60.0, 60.0)


def layer(parts, drawn_on="pet") -> MaskLayer:
    """Labels in boxes."""
    array = np.zeros(GRID.shape, dtype=np.uint16)
    for label, box in parts.items():
        array[box] = label
    return MaskLayer(LabelMap(array, GRID), drawn_on, "petct", 2.0)


def cube(k, j, i, side=3):
    return tuple(slice(n, n + side) for n in (k, j, i))


@pytest.fixture
def base() -> Segmentations:
    """Everything that can be found, with lesion 1 outlined on CT and lesion 2 not seen there."""
    return Segmentations(
        segmenter="petct",
        liver=layer({1: cube(0, 0, 0, 40)}, "ct"),
        lesions=layer({1: FAR, 2: NEAR}),
        references=(
            ReferenceRegion("liver", "sphere", SPHERE_MM, 30.0),
            ReferenceRegion("spleen", "organ", reason=None, region=layer({1: FAR}).labels),
            ReferenceRegion("blood_pool", "none", reason="there is none"),
        ),
        reasons={"lobes": "no gallbladder"},
        unseen_on_ct={2: "too faint"},
        flags=(
            raise_flag("LIVER_FROM_PET_ALONE"),
            raise_flag("RECIST_IMAGE_REGISTERED", series="3", similarity=0.9, found_at="5 mm lower"),
        ),
        ct_foci=layer({901: cube(10, 10, 10), 902: cube(20, 20, 20)}, "ct"),
        ct_search=CtSearch(diameter_mm=15.0),
        lobes=LobePlane(point_lps_mm=(0, 0, 0), normal_lps=(1, 0, 0), landmark="x"),
        ct_lesions=layer({1: FAR}, "ct"),
    )


def corrected(base, parts) -> Segmentations:
    return with_masks(base, Corrections(lesions=layer(parts)), CONFIG)


def test_nothing_corrected_is_nothing_changed(base):
    assert with_masks(base, Corrections(), CONFIG) is base


def test_correction_of_one_lesion_leaves_what_does_not_depend_on_it(base):
    now = corrected(base, {1: FAR, 2: cube(30, 30, 30, 4)})
    assert now.references == base.references
    assert now.lobes is base.lobes
    assert now.ct_search is base.ct_search
    assert now.ct_foci is base.ct_foci
    assert now.ct_lesions.labels.labels == (1,)
    assert now.flags == base.flags
    assert now.reasons == base.reasons
    assert now.unseen_on_ct == {}, "lesion 2 is to be looked for on CT again"


def test_outline_of_a_changed_or_deleted_lesion_falls(base):
    changed = corrected(base, {1: cube(2, 2, 2, 4), 2: NEAR})
    deleted = corrected(base, {2: NEAR})
    for now in (changed, deleted):
        assert now.ct_lesions.labels.labels == ()
        assert now.unseen_on_ct == {2: "too faint"}


@pytest.mark.parametrize(("k", "stays"), [(20, False), (21, True)])
def test_sphere_falls_where_a_lesion_comes_nearer_than_its_margin(base, k, stays):
    """Along z from the sphere's centre at 60 mm: its radius of 15 mm and the margin of 10 mm end at 85 mm."""
    index = GRID.lps_to_index(SPHERE_MM)
    assert index[0] == 15.0
    place = (slice(k + 1, k + 2), slice(15, 16), slice(30, 31))
    assert GRID.index_to_lps((k + 1, 15, 30))[2] - SPHERE_MM[2] == (24.0 if k == 20 else 28.0)
    now = corrected(base, {1: FAR, 2: NEAR, 3: place})
    assert (now.reference("liver") is not None) is stays


def test_small_sphere_is_looked_for_anew(base):
    small = replace(base, references=(ReferenceRegion("liver", "small_sphere", SPHERE_MM, 15.0),))
    assert corrected(small, {1: FAR}).references == ()


def test_candidate_that_a_lesion_covers_falls_and_the_others_keep_their_numbers(base):
    now = corrected(base, {1: FAR, 2: NEAR, 3: cube(10, 10, 10)})
    assert now.ct_foci.labels.labels == (902,)


def test_another_liver_overtakes_everything_found_in_it(base):
    liver = layer({1: cube(0, 0, 0, 30)}, "ct")
    now = with_masks(base, Corrections(liver=liver), CONFIG)
    assert now.liver is liver
    assert now.lesions is base.lesions
    assert now.references == ()
    assert (now.ct_foci, now.ct_search, now.ct_lesions, now.lobes) == (None, None, None, None)
    assert now.flags == ()
    assert (now.reasons, now.unseen_on_ct) == ({"lobes": "no gallbladder"}, {})


def test_foci_without_a_liver_are_no_lesions_of_one_given_later(base):
    listed = replace(base, liver=None, flags=(raise_flag("LESIONS_NOT_BOUND_BY_LIVER"),))
    now = with_masks(listed, Corrections(liver=base.liver), CONFIG)
    assert now.lesions is None


def test_known_outline_is_taken_where_nothing_near_it_changed(base):
    first = corrected(base, {1: cube(2, 2, 2, 4), 2: NEAR})
    known = replace(first, ct_lesions=layer({1: cube(2, 2, 2, 4)}, "ct"))
    parts = {1: cube(2, 2, 2, 4), 2: cube(31, 31, 31)}
    far = with_known_outlines(corrected(base, parts), known, CONFIG)
    assert far.ct_lesions.labels.labels == (1,)
    near = with_known_outlines(corrected(base, {**parts, 4: cube(8, 2, 2)}), known, CONFIG)
    assert near.ct_lesions.labels.labels == ()


def test_known_reason_for_no_outline_is_taken(base):
    known = replace(base, lesions=layer({2: NEAR, 3: FAR}), unseen_on_ct={2: "too faint", 3: "too small"})
    given = corrected(base, {1: cube(33, 20, 2), 2: NEAR, 3: FAR})
    assert with_known_outlines(given, known, CONFIG).unseen_on_ct[3] == "too small"
