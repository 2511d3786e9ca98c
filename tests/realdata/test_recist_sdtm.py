"""The published RECIST 1.1 tables: overall responses follow from the measurements, reader by reader."""

import csv
from collections import defaultdict

from dotaliver.config.criteria import RecistConfig
from dotaliver.export.sdtm.datasets import DOMAINS
from dotaliver.export.sdtm.rows import TESTS
from dotaliver.longitudinal.recist import TargetSize, non_target_response, overall_response, target_response, target_sum

RULES = RecistConfig()
STATES = {"PRESENT": "present", "ABSENT": "absent"}
# The recorded response says more than the measurements, or other than RECIST 1.1; why, is said beside each.
DIFFER = {
    # Complete response at visit 3, and a target back with 4.95 mm at visit 4: disease after a complete response is
    # progression, however small (RECIST 1.1, table 3 with its footnote, and appendix III); recorded is PR.
    (("01-701-1133", "INDEPENDENT ASSESSOR", "RADIOLOGIST 2"), 4): ("PR", "PD"),
}


def rows(folder, name):
    with (folder / f"{name}_onco_recist.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def value(text):
    return None if text in {"", "NA"} else text


def readings(folder):
    """For each subject and reader: targets, non-targets, and what was measured of them at each visit."""
    nodes, kinds, found = {}, {}, defaultdict(lambda: defaultdict(dict))
    for row in rows(folder, "tu"):
        key = (row["USUBJID"], row["TUEVAL"], value(row["TUEVALID"]))
        nodes[key, row["TULNKID"]] = row["TULOC"] == "LYMPH NODE"
        kinds[key, row["TULNKID"]] = row["TUORRES"]
    for row in rows(folder, "tr"):
        key = (row["USUBJID"], row["TREVAL"], value(row["TREVALID"]))
        visit = found[key][int(row["VISITNUM"])]
        visit[row["TRLNKID"], row["TRTESTCD"]] = value(row["TRSTRESN"]) or value(row["TRSTRESC"])
    return nodes, kinds, found


def sizes_of(key, visit, nodes, kinds):
    made = []
    for (owner, lesion), kind in sorted(kinds.items(), key=lambda item: item[0][1]):
        if owner != key or kind != "TARGET":
            continue
        node = nodes[key, lesion]
        measured = visit.get((lesion, "LPERP" if node else "LDIAM"))
        if measured is None:
            made.append(TargetSize(lesion=lesion, node=node, status="not_measured"))
        else:
            mm = float(measured)
            made.append(TargetSize(lesion=lesion, node=node, status="absent" if mm == 0 else "measured", size_mm=mm))
    return made


def states_of(key, visit, kinds):
    lesions = [lesion for (owner, lesion), kind in kinds.items() if owner == key and kind == "NON-TARGET"]
    return [STATES.get(visit.get((lesion, "TUMSTATE"), ""), "not_evaluated") for lesion in lesions]


def responses(folder):
    nodes, kinds, found = readings(folder)
    answers = {}
    for key, visits in found.items():
        numbers = sorted(visits)
        baseline = target_sum(sizes_of(key, visits[numbers[0]], nodes, kinds), RULES)
        earlier, gone = [], False
        for number in numbers[1:]:
            sizes = sizes_of(key, visits[number], nodes, kinds)
            targets = target_response(sizes, baseline, earlier, RULES, after_complete_response=gone)
            others = non_target_response(states_of(key, visits[number], kinds), after_complete_response=gone)
            answers[key, number] = overall_response(targets.response, others.response, "none").response
            gone = gone or answers[key, number] == "CR"
            if targets.sum_mm is not None:
                earlier.append(targets.sum_mm)
    return answers


def test_recorded_overall_responses_follow_from_the_measurements(data):
    folder = data / "recist_sdtm"
    answers = responses(folder)
    recorded = {
        ((r["USUBJID"], r["RSEVAL"], value(r["RSEVALID"])), int(r["VISITNUM"])): r["RSSTRESC"]
        for r in rows(folder, "rs")
    }
    assert len(recorded) == 66
    assert len({key[0] for key, _ in recorded}) == 8
    differ = {
        place: (recorded[place], answers.get(place)) for place in recorded if recorded[place] != answers.get(place)
    }
    assert differ == DIFFER


def test_our_tables_have_the_published_columns_and_test_names(data):
    folder = data / "recist_sdtm"
    for name in ("tu", "tr", "rs"):
        table = rows(folder, name)
        known = {variable.name for variable in DOMAINS[name.upper()][1]}
        assert set(table[0]) <= known
        prefix = name.upper()
        for row in table:
            assert TESTS[row[f"{prefix}TESTCD"]] == row[f"{prefix}TEST"]
