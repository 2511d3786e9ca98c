import csv
import io
from dataclasses import replace
from datetime import date

import pytest

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import CourseError, OutputError
from dotaliver.export.sdtm.check import RULES, check_sdtm, conformance_report
from dotaliver.export.sdtm.datasets import TERMINOLOGY, sdtm_csv
from dotaliver.export.sdtm.field_rules import variables_of
from dotaliver.export.sdtm.rows import sdtm_datasets, study_day
from dotaliver.export.sdtm.xpt import xpt_bytes
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.records import Evaluator, Track
from fixtures.courses import (
    TRIAL,
    TRIAL_DATA,
    course_of,
    edits,
    on,
    reading_of,
    scan,
    seen,
    simple_reading,
    sized,
    track,
)


def tables(course):
    return {dataset.domain: dataset for dataset in sdtm_datasets(course)}


def rows(course, domain, **wanted):
    return [row for row in tables(course)[domain].rows if all(row.get(k) == v for k, v in wanted.items())]


def full_course():
    """Targets that split and merge, a node, a non-target, a new lesion, one too small, one never measured."""
    scores = [
        scan(0, sized(1, 40.0), sized(2, 22.0, short=18.0, marks=("node",)), sized(3, 8.0), sized(4, 30.0)),
        scan(1, sized(1, 15.0), sized(5, 12.0), sized(2, 20.0, short=12.0, marks=("node",)), sized(3, 8.0),
             sized(4, 28.0)),
        scan(2, sized(1, 50.0), sized(2, 18.0, short=9.0, marks=("node",)), sized(6, 16.0)),
    ]  # fmt: skip
    tracks = [
        Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, 5), seen(2, 1))),
        track("L02", 2, 2, 2),
        track("L03", 3, 3, None),
        Track(lesion="L04", appearances=(seen(0, 4), seen(1, 4), seen(2, state="merged", into="L01"))),
        track("L05", 6, first=2),
    ]
    return course_of(reading_of(scores, tracks))


@pytest.mark.parametrize("make", [full_course, lambda: course_of(simple_reading())])
def test_every_rule_of_the_check_holds(make):
    assert check_sdtm(sdtm_datasets(make())) == ()


def test_without_a_manifest_the_keys_are_refused():
    with pytest.raises(CourseError, match="--manifest"):
        sdtm_datasets(course_of(simple_reading(trial=None), trial=None))


def test_lesions_are_identified_once_and_splits_and_merges_beside():
    course = full_course()
    found = {row["TULNKID"]: row["TUORRES"] for row in rows(course, "TU", TUTESTCD="TUMIDENT")}
    assert found == {"T01": "TARGET", "T02": "TARGET", "T03": "TARGET", "NT01": "NON-TARGET", "NEW01": "NEW"}
    split = rows(course, "TU", TUTESTCD="TUSPLIT")
    assert [(r["TULNKID"], r["TUGRPID"], r["VISITNUM"]) for r in split] == [("T01.1", "T01", 2), ("T01.2", "T01", 2)]
    (merged,) = rows(course, "TU", TUTESTCD="TUMERGE")
    assert (merged["TULNKID"], merged["TUGRPID"], merged["VISITNUM"]) == ("T03", "T01", 3)
    locations = {row["TULNKID"]: row["TULOC"] for row in rows(course, "TU", TUTESTCD="TUMIDENT")}
    assert locations["T02"] == "LYMPH NODE"


def test_diameters_sums_and_states():
    course = full_course()
    assert [r["TRSTRESN"] for r in rows(course, "TR", TRTESTCD="SUMDIAM")] == [88.0, 67.0, 59.0]
    node = [r["TRSTRESN"] for r in rows(course, "TR", TRLNKID="T02", TRTESTCD="LPERP")]
    assert node == [18.0, 12.0, 9.0]
    parts = {r["TRLNKID"]: r["TRSTRESN"] for r in rows(course, "TR", TRTESTCD="LDIAM", VISITNUM=2)}
    assert (parts["T01.1"], parts["T01.2"]) == (15.0, 12.0)
    states = [r["TRORRES"] or r["TRSTAT"] for r in rows(course, "TR", TRLNKID="NT01", TRTESTCD="TUMSTATE")]
    assert states == ["PRESENT", "PRESENT", "NOT DONE"]
    (new,) = rows(course, "TR", TRLNKID="NEW01")
    assert (new["TRGRPID"], new["TRORRES"]) == ("NEW", "PRESENT")


def test_too_small_gone_and_not_measured():
    def said(**what):
        on = LesionOnScan(scan="2024-04-05", **what)
        edits = CourseEdits(lesions=(LesionCourseEdit(lesion="L01", on=(on,)),))
        return rows(course_of(simple_reading(edits=edits)), "TR", TRLNKID="T01", TRTESTCD="LDIAM", VISITNUM=2)[0]

    small, gone, lost = said(state="too_small"), said(state="absent"), said(state="not_evaluated")
    assert (small["TRORRES"], small["TRORRESU"], small["TRSTRESN"]) == ("TOO SMALL TO MEASURE", None, 5.0)
    assert (gone["TRORRES"], gone["TRSTRESN"]) == ("0", 0.0)
    assert (lost["TRORRES"], lost["TRSTAT"]) == (None, "NOT DONE")
    assert lost["TRREASND"]


def baseline_rows(course, domain):
    return [r for r in tables(course)[domain].rows if r["VISITNUM"] == 1]


def test_the_last_observation_before_treatment_is_each_result_of_the_baseline():
    lesions = sized(1, 40.0), sized(2, 8.0), sized(3, 30.0, source="pet")
    scores = [scan(n, *lesions) for n in (0, 1)]
    not_seen = edits(LesionCourseEdit(lesion="L02", on=(on(0, state="not_evaluated"),)))
    tracks = [track(f"L{n:02d}", n, n) for n in (1, 2, 3)]
    course = course_of(reading_of(scores, tracks, edits=not_seen))
    assert check_sdtm(sdtm_datasets(course)) == ()
    flags = {(r["TRREFID"], r["TRTESTCD"]): (r["TRLOBXFL"], r["TRSTAT"]) for r in baseline_rows(course, "TR")}
    assert flags["L01", "LDIAM"] == flags["L01", "LPERP"] == flags[None, "SUMDIAM"] == ("Y", None)
    assert flags["L02", "TUMSTATE"] == (None, "NOT DONE")
    assert flags["L03", "TUMSTATE"] == ("Y", None)
    assert all(r["TRLOBXFL"] is None for r in rows(course, "TR", VISITNUM=2))
    # Without a first treatment nothing is the last before it.
    untreated = TRIAL.model_copy(update={"first_treatment": None})
    course = course_of(reading_of(scores, tracks, trial=untreated), trial=untreated)
    assert check_sdtm(sdtm_datasets(course)) == ()
    assert all(r["TRLOBXFL"] is None for r in tables(course)["TR"].rows)


def test_a_merged_target_has_no_diameter_of_its_own():
    (row,) = rows(full_course(), "TR", TRLNKID="T03", VISITNUM=3)
    assert (row["TRSTAT"], row["TRREASND"]) == ("NOT DONE", "MERGED WITH T01")
    assert (row["TRORRES"], row["TRSTRESN"], row["TRMETHOD"]) == (None, None, None)


def test_an_unsure_merge_or_split_is_no_tumour_identification():
    scores = [scan(0, sized(1, 40.0), sized(2, 30.0)), scan(1, sized(1, 30.0), sized(3, 20.0))]
    tracks = [
        Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, 3, confidence=0.6))),
        Track(lesion="L02", appearances=(seen(0, 2), seen(1, state="merged", into="L01", confidence=0.6))),
    ]
    course = course_of(reading_of(scores, tracks))
    assert check_sdtm(sdtm_datasets(course)) == ()
    assert {r["TUTESTCD"] for r in tables(course)["TU"].rows} == {"TUMIDENT"}
    sums = [(r["TRSTRESN"], r["TRSTAT"]) for r in rows(course, "TR", TRTESTCD="SUMDIAM")]
    assert sums == [(70.0, None), (None, "NOT DONE")]


def test_a_lesion_that_splits_again_has_every_part_identified():
    scores = [
        scan(0, sized(1, 40.0)),
        scan(1, sized(1, 20.0), sized(2, 9.0)),
        scan(2, *(sized(n, 9.0) for n in (1, 2, 3))),
    ]
    split = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, 2), seen(2, 1, 2, 3)))
    course = course_of(reading_of(scores, [split]))
    assert check_sdtm(sdtm_datasets(course)) == ()
    parts = [(r["TULNKID"], r["VISITNUM"]) for r in rows(course, "TU", TUTESTCD="TUSPLIT")]
    assert parts == [("T01.1", 2), ("T01.2", 2), ("T01.3", 3)]


@pytest.mark.parametrize(("modality", "method"), [("CT", "CT SCAN"), ("MR", "MRI"), (None, "CT SCAN")])
def test_the_method_is_the_modality_that_was_measured(modality, method):
    reading = simple_reading()
    keys = tuple(key.model_copy(update={"measured_on": modality}) for key in reading.scans)
    course = course_of(reading.model_copy(update={"scans": keys}))
    assert {r["TRMETHOD"] for r in rows(course, "TR", TRTESTCD="LDIAM")} == {method}
    pet = [scan(n, sized(1, 30.0, source="pet")) for n in (0, 1)]
    course = course_of(reading_of(pet, [track("L01", 1, 1)]))
    assert {r["TRMETHOD"] for r in rows(course, "TR", TRTESTCD="TUMSTATE")} == {"PET/CT SCAN"}


def test_an_unknown_organ_is_no_location():
    scores = [scan(n, sized(1, 30.0, in_liver=False)) for n in (0, 1)]
    (row,) = rows(course_of(reading_of(scores, [track("L01", 1, 1)])), "TU")
    assert row["TULOC"] is None


def test_a_response_without_any_result_of_its_visit_is_linked_to_nothing():
    course = course_of(reading_of([scan(0), scan(1)], []))
    assert check_sdtm(sdtm_datasets(course)) == ()
    assert {(r.get("RSLNKGRP"), r["RSSTRESC"]) for r in rows(course, "RS", RSTESTCD="OVRLRESP")} == {(None, "NED")}


def test_responses_stand_per_visit_and_the_best_once():
    course = course_of(simple_reading())
    words = {(r["RSTESTCD"], r["VISITNUM"]): r["RSSTRESC"] for r in rows(course, "RS")}
    assert words["OVRLRESP", 2] == "SD"
    assert words["OVRLRESP", 3] == "PR"
    assert words["BESTRESP", None] == "PR"
    confirmed = course_of(simple_reading(), rules=RecistConfig(confirm_responses=True))
    assert rows(confirmed, "RS", RSTESTCD="BESTRESP")[0]["RSSTRESC"] == "SD"
    (without,) = rows(course, "RS", RSTESTCD="NTRGRESP", VISITNUM=2)
    assert without["RSSTAT"] == "NOT DONE"
    assert "NON-TARGET" in without["RSREASND"]


def test_a_new_lesion_is_told_as_sure_or_not():
    (row,) = rows(full_course(), "RS", RSTESTCD="NEWLPROG")
    assert (row["RSSTRESC"], row["VISITNUM"]) == ("UNEQUIVOCAL", 3)


def test_study_days_have_no_zero():
    start = date(2024, 1, 25)
    days = [study_day(date(2024, 1, day), start) for day in (10, 24, 25, 26)]
    assert days == [-15, -1, 1, 2]
    assert study_day(start, None) is None


def test_several_evaluators_have_links_of_their_own_and_the_accepted_flag():
    one = simple_reading(accepted=False)
    two = simple_reading(((30.0, 20.0), (12.0, 9.0), (12.0, 9.0)), accepted=True)
    named = [
        reading.model_copy(update={"evaluator": Evaluator(role="INDEPENDENT ASSESSOR", identifier=f"RADIOLOGIST {n}")})
        for n, reading in enumerate((one, two), start=1)
    ]
    course = course_of(*named)
    assert check_sdtm(sdtm_datasets(course)) == ()
    assert {r["TULNKID"] for r in rows(course, "TU")} == {"R1-T01", "R1-T02", "R2-T01", "R2-T02"}
    accepted = rows(course, "RS", RSACPTFL="Y", RSTESTCD="OVRLRESP")
    assert {r["RSEVALID"] for r in accepted} == {"RADIOLOGIST 2"}


def test_csv_reads_back_to_the_same_rows():
    for dataset in sdtm_datasets(full_course()):
        back = list(csv.DictReader(io.StringIO(sdtm_csv(dataset))))
        assert len(back) == len(dataset.rows)
        for row, again in zip(dataset.rows, back, strict=True):
            for variable in dataset.variables:
                value = row[variable.name]
                if value is None:
                    assert again[variable.name] == ""
                elif variable.kind == "Num":
                    assert float(again[variable.name]) == float(value)
                else:
                    assert again[variable.name] == value


def test_transport_files_of_version_5_read_back_with_pyreadstat_and_pandas(tmp_path):
    pd = pytest.importorskip("pandas")
    pyreadstat = pytest.importorskip("pyreadstat")
    for dataset in sdtm_datasets(full_course()):
        path = tmp_path / f"{dataset.domain.lower()}.xpt"
        path.write_bytes(xpt_bytes(dataset))
        assert path.read_bytes().startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")  # version 5, not LIBV8
        frame, meta = pyreadstat.read_xport(str(path))
        assert list(frame.columns) == [v.name for v in dataset.variables]
        assert meta.column_labels == [v.label for v in dataset.variables]
        assert meta.table_name == dataset.domain
        other = pd.read_sas(path, format="xport", encoding="ascii")
        assert list(other.columns) == list(frame.columns)
        for variable in dataset.variables:
            for n, row in enumerate(dataset.rows):
                value = row[variable.name]
                for cell in (frame[variable.name][n], other[variable.name][n]):
                    if value is None:
                        assert pd.isna(cell) or cell == ""
                    elif variable.kind == "Num":
                        assert cell == pytest.approx(float(value), rel=1e-14)
                    else:
                        assert cell == value


def test_without_the_extra_transport_files_are_refused_by_name(monkeypatch):
    monkeypatch.setattr("dotaliver.export.sdtm.xpt.xpt_is_available", lambda: False)
    with pytest.raises(OutputError, match="sdtm"):
        xpt_bytes(sdtm_datasets(full_course())[0])


def test_text_longer_than_transport_files_hold_is_refused_with_the_limit():
    domain = sdtm_datasets(full_course())[0]
    first = {**domain.rows[0], "VISIT": "é" * 184}
    with pytest.raises(OutputError, match=rf"{domain.domain}, row 1, VISIT: 368 bytes .* at most 200 bytes"):
        xpt_bytes(replace(domain, rows=(first, *domain.rows[1:])))


def test_variables_stand_in_the_guides_order_with_expected_ones_kept():
    for domain, dataset in tables(course_of(simple_reading())).items():
        names = [v.name for v in dataset.variables]
        order = [v.name for v in variables_of(domain)]
        assert names == [n for n in order if n in names]
        assert {v.name for v in variables_of(domain) if v.core != "Perm"} <= set(names)


# --- the check itself ------------------------------------------------------------------------------------------------


def spoiled(domain, n, **changes):
    return [
        replace(d, rows=tuple({**row, **changes} if i == n else row for i, row in enumerate(d.rows)))
        if d.domain == domain
        else d
        for d in sdtm_datasets(full_course(), TRIAL_DATA)
    ]


@pytest.mark.parametrize(
    ("rule", "domain", "row", "changes"),
    [
        ("CORE", "TU", 0, {"USUBJID": None}),
        ("SEQ", "TR", 1, {"TRSEQ": 1}),
        ("TERMS", "RS", 0, {"RSSTRESC": "PARTIAL"}),
        ("TERMS", "TU", 0, {"TUSTRESC": "BIG"}),
        ("DONE", "TR", 0, {"TRSTAT": "NOT DONE", "TRREASND": "LOST"}),
        ("NUMBERS", "TR", 0, {"TRSTRESN": 41.0}),
        ("SEQ", "TU", 0, {"TUSEQ": 0}),
        ("TESTS", "TR", 0, {"TRTEST": "Diameter"}),
        ("DONE", "TR", 0, {"TRORRES": None, "TRORRESU": None}),
        ("DONE", "RS", 0, {"RSSTRESC": None}),
        ("DONE", "RS", 0, {"RSREASND": "LOST"}),
        ("NUMBERS", "TR", 0, {"TRSTRESC": "FORTY"}),
        ("UNITS", "TR", 0, {"TRORRESU": None}),
        ("UNITS", "TR", 0, {"TRSTRESN": None, "TRSTRESU": None}),
        ("DATES", "TU", 0, {"TUDTC": "2024-02-30"}),
        ("DATES", "TU", 0, {"TUDTC": "10.01.2024"}),
        ("DATES", "TU", 0, {"TUDY": 0}),
        ("TR-TU", "TR", 0, {"TRLNKID": "T99"}),
        ("RS-TR", "RS", 0, {"RSLNKGRP": "A99"}),
        ("TU-ID", "TU", 1, {"TULNKID": "T01"}),
        ("TU-ID", "TR", 0, {"TRGRPID": "NON-TARGET"}),
        ("LOBXFL", "TR", 0, {"TRLOBXFL": None}),
        ("LOBXFL", "TU", 0, {"TULOBXFL": None}),
        ("VISITS", "TR", 0, {"VISIT": "VISIT 9"}),
        ("VISITS", "TR", 0, {"TRDY": -3}),
        ("RESPONSE", "RS", 0, {"RSSTRESC": "PD", "RSORRES": "PD"}),
        ("RESPONSE", "RS", 1, {"RSTESTCD": "TRGRESP", "RSTEST": "Target Response"}),
        ("SUM", "TR", 0, {"TRSTRESN": 39.0, "TRSTRESC": "39"}),
        ("EVAL", "TU", 0, {"TUEVAL": None}),
        ("LENGTH", "TU", 0, {"TULOC": "L" * 201}),
        ("LENGTH", "TU", 0, {"TULOC": "LEBER Ä"}),
    ],
)
def test_the_check_finds_what_breaks_each_rule(rule, domain, row, changes):
    assert rule in {finding.rule for finding in check_sdtm(spoiled(domain, row, **changes))}


def test_the_check_finds_a_wrong_order_and_a_wrong_name():
    datasets = sdtm_datasets(full_course())
    turned = [replace(d, variables=d.variables[::-1]) for d in datasets]
    assert "ORDER" in {f.rule for f in check_sdtm(turned)}
    long = replace(datasets[0].variables[0], label="x" * 41)
    named = [replace(datasets[0], variables=(long, *datasets[0].variables[1:])), *datasets[1:]]
    assert "NAMES" in {f.rule for f in check_sdtm(named)}


def test_the_report_of_the_check_names_every_rule():
    text = conformance_report(sdtm_datasets(full_course()), TERMINOLOGY)
    assert all(f" {name}: " in text for name in RULES)
    assert "BROKEN" not in text
    assert "BROKEN" in conformance_report(spoiled("TU", 0, USUBJID=None), TERMINOLOGY)
