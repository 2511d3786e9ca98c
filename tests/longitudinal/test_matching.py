import itertools

import numpy as np
import pytest

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.matching import KnownIdentity, PlacedScan, match_lesions
from fixtures.arrays import ball, grid

RULES = RecistConfig()
GRID = grid((60, 60, 60), (2.0, 2.0, 2.0))


def scan(*balls, dice=1.0):
    """Lesions as balls (x, y, z, radius) in mm, labelled from 1 in the order given."""
    labels = np.zeros(GRID.shape, dtype=np.uint16)
    for number, (x, y, z, radius) in enumerate(balls, start=1):
        labels[ball(GRID, (x, y, z), radius)] = number
    return PlacedScan(LabelMap(labels, GRID), dice)


def matched(*scans, known=(), rules=RULES):
    return match_lesions(scans, known, rules)


def labels_of(found, lesion):
    track = next(t for t in found.tracks if t.lesion == lesion)
    return [(a.state, a.labels) for a in track.appearances]


def test_lesions_that_stay_in_place_keep_their_names_whatever_their_labels():
    places = [(30, 30, 30, 8), (80, 40, 60, 12), (50, 90, 90, 6)]
    first = scan(*places)
    for order in itertools.permutations(range(3)):
        again = scan(*(places[n] for n in order))
        found = matched(first, again)
        # Named by size: the second ball is the largest.
        assert labels_of(found, "L01") == [("seen", (2,)), ("seen", (order.index(1) + 1,))]
        assert labels_of(found, "L02") == [("seen", (1,)), ("seen", (order.index(0) + 1,))]
        assert not found.questions
        assert min(a.confidence for t in found.tracks for a in t.appearances) > 0.99


def test_the_assignment_is_global_and_not_the_nearest_first():
    # The larger lesion is as near to the first new place as the smaller one, and would leave nothing for it.
    first = scan((52, 60, 60, 6), (40, 60, 60, 5))
    moved = scan((46, 60, 60, 5), (66, 60, 60, 6))
    found = matched(first, moved)
    assert labels_of(found, "L01") == [("seen", (1,)), ("seen", (2,))]
    assert labels_of(found, "L02") == [("seen", (2,)), ("seen", (1,))]
    # Whether it is so is not sure, and is asked.
    assert any(q.kind == "identity" for q in found.questions)


def test_a_lesion_that_comes_and_one_that_goes():
    found = matched(scan((30, 60, 60, 9)), scan((95, 60, 60, 9)))
    assert labels_of(found, "L01") == [("seen", (1,)), ("vanished", ())]
    assert labels_of(found, "L02") == [("seen", (1,))]
    assert next(t for t in found.tracks if t.lesion == "L02").first == 1
    assert [q.kind for q in found.questions] == ["vanished"]


def test_one_that_vanished_is_known_again_when_it_comes_back():
    found = matched(scan((30, 60, 60, 9)), scan((95, 60, 60, 9)), scan((30, 60, 60, 7), (95, 60, 60, 9)))
    assert labels_of(found, "L01") == [("seen", (1,)), ("vanished", ()), ("seen", (1,))]


def test_a_split_keeps_the_name_and_is_asked_about():
    found = matched(scan((60, 60, 60, 20)), scan((52, 60, 60, 7), (70, 60, 60, 6)))
    assert len(found.tracks) == 1
    assert labels_of(found, "L01")[1] == ("split", (1, 2))
    assert [q.kind for q in found.questions] == ["split"]


def test_a_merge_names_the_lesion_that_carries_both():
    found = matched(scan((48, 60, 60, 10), (72, 60, 60, 8)), scan((58, 60, 60, 24)))
    assert labels_of(found, "L01")[1] == ("seen", (1,))
    assert labels_of(found, "L02")[1] == ("merged", ())
    carried = next(t for t in found.tracks if t.lesion == "L02").appearances[1]
    assert carried.merged_into == "L01"
    assert "merge" in [q.kind for q in found.questions]


def test_a_new_focus_beside_a_known_lesion_is_asked_about_and_one_far_away_is_not():
    near = matched(scan((50, 60, 60, 6)), scan((50, 60, 60, 6), (68, 60, 60, 5)))
    assert [q.kind for q in near.questions] == ["identity"]
    far = matched(scan((50, 60, 60, 6)), scan((50, 60, 60, 6), (105, 60, 60, 5)))
    assert not far.questions
    assert next(t for t in far.tracks if t.lesion == "L02").appearances[0].confidence > 0.9


def test_a_doubtful_place_is_less_sure_and_asked_about():
    found = matched(scan((50, 60, 60, 5)), scan((62, 60, 60, 5)))
    assert found.tracks[0].appearances[1].confidence < RULES.sure
    assert [q.kind for q in found.questions] == ["identity"]


def test_livers_that_fit_badly_make_no_identity_sure():
    found = matched(scan((50, 60, 60, 8)), scan((50, 60, 60, 8), dice=0.6))
    assert found.tracks[0].appearances[1].confidence <= 0.5
    assert found.questions


def test_the_readers_identities_win():
    first, second = scan((30, 60, 60, 9), (90, 60, 60, 8)), scan((30, 60, 60, 9), (90, 60, 60, 8))
    crossed = [KnownIdentity(1, "L01", (2,)), KnownIdentity(1, "L02", (1,))]
    found = matched(first, second, known=crossed)
    assert labels_of(found, "L01")[1] == ("seen", (2,))
    assert labels_of(found, "L02")[1] == ("seen", (1,))
    assert all(a.by == "reader" for t in found.tracks for a in t.appearances if a.scan == 1)
    assert not found.questions


def test_a_reader_may_name_a_lesion_and_its_parts():
    known = [KnownIdentity(0, "SEGMENT 4", (1,)), KnownIdentity(1, "SEGMENT 4", (1, 2))]
    found = matched(scan((60, 60, 60, 12)), scan((30, 60, 60, 6), (95, 60, 60, 6)), known=known)
    assert [t.lesion for t in found.tracks] == ["SEGMENT 4"]
    assert labels_of(found, "SEGMENT 4")[1] == ("split", (1, 2))


def test_a_label_that_is_not_there_or_is_given_twice_is_refused():
    scans = scan((60, 60, 60, 12)), scan((60, 60, 60, 12))
    with pytest.raises(ConfigError, match="lesion 7 of scan 2"):
        matched(*scans, known=[KnownIdentity(1, "L01", (7,))])
    with pytest.raises(ConfigError, match="both L01 and L02"):
        matched(*scans, known=[KnownIdentity(1, "L01", (1,)), KnownIdentity(1, "L02", (1,))])


def test_scans_without_lesions_are_no_fault():
    found = matched(scan(), scan((60, 60, 60, 9)), scan())
    assert labels_of(found, "L01") == [("seen", (1,)), ("vanished", ())]
    assert matched(scan(), scan()).tracks == ()


@pytest.mark.parametrize("seed", range(5))
def test_many_lesions_with_a_few_millimetres_of_misregistration_are_all_told_again(seed):
    random = np.random.default_rng(seed)
    centres = [
        np.array((20.0 + 26 * i, 20.0 + 26 * j, 20.0 + 26 * k)) for i in range(4) for j in range(4) for k in (0, 2)
    ]
    first = scan(*((*c, random.uniform(4, 9)) for c in centres))
    order = random.permutation(len(centres))
    second = scan(*((*(centres[n] + random.uniform(-3, 3, 3)), random.uniform(4, 9)) for n in order))
    found = matched(first, second)
    by_first = {t.appearances[0].labels[0]: t.appearances[1].labels for t in found.tracks}
    assert by_first == {int(n) + 1: (place + 1,) for place, n in enumerate(order)}


def test_no_identity_is_sure_where_the_livers_do_not_fit():
    first = scan((30, 60, 60, 12), (52, 60, 60, 8), (90, 60, 60, 12))
    # The two on the left have become one; the one on the right has split.
    later = ((38, 60, 60, 22), (85, 60, 60, 5), (96, 60, 60, 5))
    sure = matched(first, scan(*later))
    states = {(t.lesion, t.appearances[1].state) for t in sure.tracks if len(t.appearances) > 1}
    assert {state for _, state in states} == {"seen", "merged", "split"}
    unsure = matched(first, scan(*later, dice=0.5))
    for track in unsure.tracks:
        for appearance in track.appearances:
            if appearance.scan == 1 and appearance.state != "vanished":
                assert appearance.confidence < RULES.sure, (track.lesion, appearance.state)
