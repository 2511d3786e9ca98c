import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.recist import (
    TargetSize,
    non_target_response,
    overall_response,
    resolve_merged,
    target_response,
    target_sum,
)

RULES = RecistConfig()


def sizes(*mm, nodes=()):
    """Targets T1, T2, …: a number is a measured size, "gone", "small" and None are what they say."""
    made = []
    for number, size in enumerate(mm, start=1):
        status = {"gone": "absent", "small": "too_small", None: "not_measured"}.get(size, "measured")
        value = size if status == "measured" else None
        made.append(TargetSize(lesion=f"T{number}", node=number in nodes, status=status, size_mm=value))
    return made


def assessed(now, baseline=100.0, earlier=(), rules=RULES):
    return target_response(now, baseline, earlier, rules)


# --- sums -----------------------------------------------------------------------------------------------------------


def test_a_sum_counts_gone_as_nothing_and_too_small_as_five_millimetres():
    assert target_sum(sizes(20.0, "gone", "small"), RULES) == 25.0


def test_a_small_size_that_was_measured_counts_as_measured():
    assert target_sum([TargetSize(lesion="T1", status="too_small", size_mm=3.5)], RULES) == 3.5


def test_a_sum_with_a_missing_target_is_not_known():
    assert target_sum(sizes(20.0, None), RULES) is None
    assert target_sum([], RULES) is None


# --- targets against baseline and nadir ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "baseline", "earlier", "expected"),
    [
        (70.0, 100.0, (), "PR"),  # exactly -30 %
        (70.1, 100.0, (), "SD"),
        (120.0, 100.0, (), "PD"),  # exactly +20 %
        (119.9, 100.0, (), "SD"),
        (18.6, 15.5, (), "SD"),  # +20 % but 3.1 mm
        (30.0, 25.0, (), "PD"),  # +20 % and exactly 5 mm
        (29.9, 24.9, (), "PD"),  # 5 mm and just over 20 %
        (105.0, 100.0, (), "SD"),  # 5 mm but 5 %
        (72.0, 100.0, (60.0,), "PD"),  # from the nadir, though 28 % under baseline
        (60.0, 100.0, (50.0,), "PD"),  # progression outweighs 40 % under baseline
        (65.0, 165.0, (63.0,), "PR"),  # a response holds until progression
        (84.0, 100.0, (80.0, 90.0), "SD"),
    ],
)
def test_thresholds_of_the_sum(total, baseline, earlier, expected):
    found = assessed(sizes(total), baseline, earlier)
    assert found.response == expected
    assert f"{total:.1f} mm" in found.reason


def test_all_targets_gone_is_complete_response():
    assert assessed(sizes("gone", "gone")).response == "CR"
    assert assessed(sizes("gone", "small")).response == "PR"


def test_nodes_are_gone_under_ten_millimetres_whatever_their_sum():
    assert assessed(sizes("gone", 9.9, nodes=(2,))).response == "CR"
    assert assessed(sizes("gone", 10.0, nodes=(2,))).response == "PR"
    # From 2 to 8 mm a node grew by 6 mm and more than 20 %, and still is normal.
    assert assessed(sizes(8.0, nodes=(1,)), 20.0, (2.0,)).response == "CR"


def test_any_target_seen_after_a_complete_response_is_progression():
    # Appendix III of RECIST 1.1: reappearance after CR is PD; in the setting of PR or SD, the sum decides.
    for mm in (4.0, 4.95, 5.15, 40.0):
        found = assessed(sizes(mm, "gone"), 60.0, (0.0,))
        assert found.response == "PD"
        assert target_response(sizes(mm, None), 60.0, (0.0,), RULES, after_complete_response=True).response == "PD"
    persisting = target_response(sizes(4.95, "gone"), 60.0, (0.0,), RULES, after_complete_response=False)
    assert persisting.response == "PR"
    assert target_response(sizes(5.15), 60.0, (0.0,), RULES, after_complete_response=False).response == "PD"
    # A node under 10 mm is normal and not disease.
    assert target_response(sizes(9.0, nodes=(1,)), 20.0, (2.0,), RULES, after_complete_response=True).response == "CR"
    assert target_response(sizes("gone", None), 60.0, (0.0,), RULES, after_complete_response=True).response == "NE"


def test_a_non_target_seen_after_a_complete_response_is_progression():
    assert non_target_response(("present", "not_evaluated"), after_complete_response=True).response == "PD"
    assert non_target_response(("absent", "not_evaluated"), after_complete_response=True).response == "NE"
    assert non_target_response(("absent",), after_complete_response=True).response == "CR"


# --- merged targets --------------------------------------------------------------------------------------------------


def merged(name, into, *, node=False):
    return TargetSize(lesion=name, node=node, status="merged", merged_into=into)


def test_a_merged_target_counts_as_nothing_only_where_the_sum_holds_its_carrier():
    carrier = TargetSize(lesion="T1", size_mm=45.0)
    assert target_sum(resolve_merged([carrier, merged("T2", "T1")], RULES), RULES) == 45.0
    for others in (
        [merged("T2", "T9")],  # the carrier is no target
        [merged("T2", "T1"), TargetSize(lesion="T1", status="not_measured")],
        [merged("T2", "T1"), TargetSize(lesion="T1", status="absent")],
        [merged("T2", "T1"), merged("T1", "T3"), TargetSize(lesion="T3", size_mm=50.0)],
        [merged("T2", "T1", node=True), carrier],  # a short axis does not take in a longest diameter
    ):
        assert target_sum(resolve_merged(others, RULES), RULES) is None
        assert target_response(others, 60.0, (), RULES).response == "NE"
    # Progression of the others alone stands.
    progressed = [merged("T2", "T9"), TargetSize(lesion="T1", size_mm=80.0)]
    assert target_response(progressed, 60.0, (), RULES).response == "PD"


def test_a_missing_target_is_not_evaluable_unless_the_rest_progressed():
    assert assessed(sizes(90.0, None)).response == "NE"
    found = assessed(sizes(121.0, None))
    assert found.response == "PD"
    assert "T2" in found.reason
    assert assessed(sizes("gone", None)).response == "NE"


def test_without_a_baseline_sum_nothing_is_compared():
    assert target_response(sizes(20.0), None, (), RULES).response == "NE"


def test_without_targets_there_is_no_target_response():
    assert target_response([], None, (), RULES).response is None


def test_a_change_inside_what_two_readers_differ_by_is_marked():
    assert assessed(sizes(60.0, 59.0)).response == "SD"
    assert assessed(sizes(60.0, 59.0)).within_noise  # +19 % of a sum
    assert not assessed(sizes(60.0, 65.0)).within_noise  # +25 % of a sum
    assert assessed(sizes(125.0)).within_noise  # +25 % of one diameter, though it is progression
    assert assessed(sizes(125.0)).response == "PD"
    assert not assessed(sizes(100.0)).within_noise


def test_a_category_that_a_second_measurement_could_change_says_so():
    assert assessed(sizes(60.0, 51.0)).could_be == ("PD",)  # 111 mm, 13 % more is 125
    assert assessed(sizes(40.0, 35.0)).could_be == ("PR",)  # 75 mm, 10 % less is 68
    assert assessed(sizes(50.0, 45.0)).could_be == ()
    assert assessed(sizes(30.0, 20.0)).could_be == ()


@given(
    st.lists(st.floats(1, 200), min_size=1, max_size=5),
    st.lists(st.floats(1, 900), max_size=4),
    st.floats(0.1, 3.0),
)
def test_the_category_does_not_depend_on_the_order_of_targets_and_follows_the_sum(mm, earlier, factor):
    baseline = sum(mm)
    now = [size * factor for size in mm]
    found = assessed(sizes(*now), baseline, earlier)
    again = assessed(sizes(*reversed(now)), baseline, earlier)
    assert found.sum_mm == pytest.approx(again.sum_mm)
    nadir = min([baseline, *earlier])
    assert found.nadir_mm == nadir
    grown = found.sum_mm - nadir
    clear = grown > 5.001 and found.sum_mm > 1.20001 * nadir
    if clear:
        assert found.response == "PD"
    if grown <= 0 and found.sum_mm < 0.69999 * baseline:
        assert found.response == "PR"


# --- non-targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), None),
        (("absent", "absent"), "CR"),
        (("present", "absent"), "NON-CR/NON-PD"),
        (("not_evaluated", "absent"), "NE"),
        (("not_evaluated", "present"), "NE"),
        (("not_evaluated", "unequivocal_progression"), "PD"),
        (("absent", "unequivocal_progression"), "PD"),
    ],
)
def test_non_targets(states, expected):
    assert non_target_response(states).response == expected


# --- the tables -----------------------------------------------------------------------------------------------------

# RECIST 1.1 table 1 (patients with targets); every non-target word is tried where the table says "any".
NOT_PD = (None, "CR", "NON-CR/NON-PD", "NE")
ANY = (*NOT_PD, "PD")
TABLE_1 = [
    *[("CR", nt, "none", "CR") for nt in (None, "CR")],
    ("CR", "NON-CR/NON-PD", "none", "PR"),
    ("CR", "NE", "none", "PR"),
    *[("PR", nt, "none", "PR") for nt in NOT_PD],
    *[("SD", nt, "none", "SD") for nt in NOT_PD],
    *[("NE", nt, "none", "NE") for nt in NOT_PD],
    *[("PD", nt, new, "PD") for nt in ANY for new in ("none", "unequivocal")],
    *[(t, "PD", new, "PD") for t in ("CR", "PR", "SD", "PD", "NE") for new in ("none", "unequivocal")],
    *[(t, nt, "unequivocal", "PD") for t in ("CR", "PR", "SD", "PD", "NE") for nt in ANY],
]
# Table 2 (patients with non-targets only)
TABLE_2 = [
    (None, "CR", "none", "CR"),
    (None, "NON-CR/NON-PD", "none", "NON-CR/NON-PD"),
    (None, "NE", "none", "NE"),
    (None, "PD", "none", "PD"),
    *[(None, nt, "unequivocal", "PD") for nt in ANY],
]


@pytest.mark.parametrize(("target", "non_target", "new", "expected"), TABLE_1 + TABLE_2)
def test_every_row_of_the_time_point_tables(target, non_target, new, expected):
    assert overall_response(target, non_target, new).response == expected


def test_the_tables_are_complete():
    rows = {(t, nt, new) for t, nt, new, _ in TABLE_1 + TABLE_2}
    every = set(itertools.product(("CR", "PR", "SD", "PD", "NE", None), ANY, ("none", "unequivocal")))
    assert every - rows == {(None, None, "none")}  # no lesion at all is no row of theirs


def test_an_equivocal_new_lesion_decides_nothing():
    for target, non_target in itertools.product(("CR", "PR", "SD", "NE"), NOT_PD):
        without = overall_response(target, non_target, "none")
        assert overall_response(target, non_target, "equivocal") == without


def test_no_lesion_at_baseline_and_none_new_is_no_evidence_of_disease():
    assert overall_response(None, None, "none").response == "NED"
