"""What stands around TU, TR and RS: changes of sums, study days and epochs, uptake, qualifiers, relations, limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dotaliver.errors import OutputError
from dotaliver.export.sdtm.check import check_sdtm
from dotaliver.export.sdtm.datasets import sdtm_csv
from dotaliver.export.sdtm.qualifiers import QUALIFIERS, supplemental
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.export.sdtm.xpt import require_transport, xpt_bytes
from dotaliver.longitudinal.edits import LesionCourseEdit
from dotaliver.longitudinal.trial_data import Visit
from fixtures.courses import TRIAL_DATA, course_of, edits, on, reading_of, scan, simple_reading, sized, track


def tables(course, data=None):
    return {dataset.domain: dataset for dataset in sdtm_datasets(course, data)}


def rows(found, domain, **wanted):
    return [row for row in found[domain].rows if all(row.get(k) == v for k, v in wanted.items())]


def test_changes_from_baseline_and_nadir_are_those_of_the_sums():
    # 50 mm, 42, 30 and 40: the last is 10 mm (33.3 %) above the nadir of 30 and 10 mm (20 %) below baseline.
    found = tables(course_of(simple_reading(((30.0, 20.0), (24.0, 18.0), (20.0, 10.0), (25.0, 15.0)))))
    changes = {
        code: [(row["VISITNUM"], row["TRSTRESN"], row["TRSTRESU"]) for row in rows(found, "TR", TRTESTCD=code)]
        for code in ("ACBSD", "PCBSD", "ACNSD", "PCNSD")
    }
    assert changes == {
        "ACBSD": [(2, -8.0, "mm"), (3, -20.0, "mm"), (4, -10.0, "mm")],
        "PCBSD": [(2, -16.0, "%"), (3, -40.0, "%"), (4, -20.0, "%")],
        "ACNSD": [(2, -8.0, "mm"), (3, -12.0, "mm"), (4, 10.0, "mm")],
        "PCNSD": [(2, -16.0, "%"), (3, -28.571, "%"), (4, 33.333, "%")],
    }
    assert check_sdtm(tuple(found.values())) == ()


def test_a_sum_that_is_not_known_has_no_change_and_a_nadir_of_0_mm_no_percentage():
    gone = edits(*(LesionCourseEdit(lesion=name, on=(on(1, state="absent"),)) for name in ("L01", "L02")))
    found = tables(course_of(simple_reading(((30.0, 20.0), (24.0, 18.0), (20.0, 10.0)), edits=gone)))
    (percent,) = rows(found, "TR", TRTESTCD="PCNSD", VISITNUM=3)
    assert (percent["TRSTAT"], percent["TRREASND"]) == ("NOT DONE", "THE SUM AT NADIR IS 0 MM")
    lost = edits(LesionCourseEdit(lesion="L01", on=(on(1, state="not_evaluated"),)))
    found = tables(course_of(simple_reading(edits=lost)))
    assert not rows(found, "TR", TRTESTCD="ACBSD", VISITNUM=2)
    assert [row["TRSTRESN"] for row in rows(found, "TR", TRTESTCD="ACBSD", VISITNUM=3)] == [-16.0]


def test_without_dm_there_is_no_study_day_and_no_epoch():
    found = tables(course_of(simple_reading()))
    for domain in ("TU", "TR", "RS", "XU"):
        assert not {f"{domain}DY", "EPOCH", "VISITDY"} & {v.name for v in found[domain].variables}


def test_with_dm_days_count_from_rfstdtc_and_epochs_and_planned_days_are_the_trials():
    planned = (Visit(1, "VISIT 1", -14), Visit(2, "VISIT 2", 85))
    found = tables(course_of(simple_reading()), replace(TRIAL_DATA, planned=planned))
    assert check_sdtm(tuple(found.values())) == ()
    # Scans of 10 January, 5 April and 1 July; day 1 is 25 January, the last exposure 10 September.
    sums = rows(found, "TR", TRTESTCD="SUMDIAM")
    assert [(r["TRDY"], r["EPOCH"], r["VISITDY"]) for r in sums] == [
        (-15, "SCREENING", -14), (72, "TREATMENT", 85), (159, "TREATMENT", None),
    ]  # fmt: skip
    # The best response is that of the course, not of a visit.
    (best,) = rows(found, "RS", RSTESTCD="BESTRESP")
    assert (best["VISITNUM"], best["VISIT"], best["VISITDY"]) == (None, None, None)


def test_uptake_on_pet_is_a_domain_of_its_own_with_units():
    lesions = sized(1, 40.0, peak=12.5, volume=30.0), sized(2, 20.0, peak=8.0, volume=4.0)
    scores = [scan(n, *lesions) for n in (0, 1)]
    found = tables(course_of(reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)])))
    assert check_sdtm(tuple(found.values())) == ()
    first = {(r["XULNKID"], r["XUTESTCD"]): (r["XUSTRESN"], r["XUSTRESU"]) for r in rows(found, "XU", VISITNUM=1)}
    assert first["T01", "UPPEAK"] == (12.5, "g/mL")
    assert first["T01", "LESVOL"] == (30.0, "mL")
    # Total uptake is mean times volume; the fixture's lesions have 0.8 of their peak as mean.
    assert first["T01", "LESTLU"] == (300.0, "g")
    assert first[None, "UPPEAKHI"] == (12.5, "g/mL")
    assert first[None, "TUMVOL"] == (34.0, "mL")
    assert first[None, "NLESIONS"] == (2.0, None)
    assert {r["XULOBXFL"] for r in rows(found, "XU", VISITNUM=1)} == {"Y"}
    assert {r["XULOBXFL"] for r in rows(found, "XU", VISITNUM=2)} == {None}


def test_relative_uptake_has_no_rows_but_volumes_have():
    reading = simple_reading()
    keys = tuple(key.model_copy(update={"uptake_unit": "1"}) for key in reading.scans)
    found = tables(course_of(reading.model_copy(update={"scans": keys})))
    assert {r["XUTESTCD"] for r in found["XU"].rows}.isdisjoint({"UPPEAK", "UPPEAKHI", "LESTLU", "TOTTLU"})
    assert rows(found, "XU", XUTESTCD="LESVOL")


def test_reasons_sources_and_doubts_are_supplemental_qualifiers():
    # 50, 42 and 34 mm: -16 and -32 %.
    found = tables(course_of(simple_reading()))
    reasons = {row["IDVARVAL"]: row["QVAL"] for row in rows(found, "SUPPRS", QNAM="RSREAS")}
    (last,) = rows(found, "RS", RSTESTCD="TRGRESP", VISITNUM=3)
    assert "Sum 34.0 mm: -32.0 % from the baseline of 50.0 mm" in reasons[str(last["RSSEQ"])]
    (sum_row,) = rows(found, "TR", TRTESTCD="SUMDIAM", VISITNUM=3)
    doubts = {row["QNAM"]: row["QVAL"] for row in rows(found, "SUPPTR", IDVARVAL=str(sum_row["TRSEQ"]))}
    # A repeated measurement may be 13.1 % larger: 38.5 mm, -23 %, which is stable disease.
    assert doubts["TRCOULD"] == "SD"
    assert {row["QVAL"] for row in rows(found, "SUPPTR", QNAM="TRSRC")} == {"ALGORITHM"}
    assert {row["QLABEL"] for row in rows(found, "SUPPTU")} == {QUALIFIERS["TUREASN"].label}
    stated = edits(LesionCourseEdit(lesion="L01", on=(on(1, size_mm=23.0),)))
    found = tables(course_of(simple_reading(edits=stated)))
    (by_reader,) = rows(found, "TR", TRLNKID="T01", TRTESTCD="LDIAM", VISITNUM=2)
    source = rows(found, "SUPPTR", QNAM="TRSRC", IDVARVAL=str(by_reader["TRSEQ"]))
    assert [row["QVAL"] for row in source] == ["READER"]


def test_a_long_text_continues_under_numbered_qualifiers_of_200_characters():
    parent = tables(course_of(simple_reading()))["RS"]
    sentence = "word " * 100
    made = supplemental("RS", parent, [(0, "RSREAS", sentence), (0, "RSCAVT", "One."), (0, "RSCAVT", "Two.")])
    assert [row["QNAM"] for row in made.rows] == ["RSREAS", "RSREAS1", "RSREAS2", "RSCAVT", "RSCAVT1"]
    assert " ".join(row["QVAL"] for row in made.rows[:3]) == sentence.strip()
    assert max(len(row["QVAL"]) for row in made.rows) <= 200


def test_related_records_name_linking_variables_that_hold_something():
    found = tables(course_of(simple_reading()))
    assert [(r["RELID"], r["RDOMAIN"], r["IDVAR"], r["RELTYPE"]) for r in found["RELREC"].rows] == [
        ("TUTR", "TU", "TULNKID", "ONE"), ("TUTR", "TR", "TRLNKID", "MANY"),
        ("TUXU", "TU", "TULNKID", "ONE"), ("TUXU", "XU", "XULNKID", "MANY"),
        ("TRRS", "TR", "TRLNKGRP", "MANY"), ("TRRS", "RS", "RSLNKGRP", "MANY"),
    ]  # fmt: skip


def spoiled(domain, number, **changes):
    found = tables(course_of(simple_reading()), TRIAL_DATA)
    old = found[domain]
    lines = tuple({**row, **changes} if n == number else row for n, row in enumerate(old.rows))
    return tuple({**found, domain: replace(old, rows=lines)}.values())


@pytest.mark.parametrize(
    ("rule", "domain", "changes"),
    [
        ("CHANGES", "TR", {"TRTESTCD": "PCBSD", "TRTEST": "Percent Change Baseline in Sum of Diam"}),
        ("SUPP", "SUPPTR", {"IDVARVAL": "999"}),
        ("SUPP", "SUPPRS", {"RDOMAIN": "TR"}),
        ("RELREC", "RELREC", {"IDVAR": "TULNKGRP"}),
        ("RELREC", "RELREC", {"RELID": "X"}),
        ("TERMS", "XU", {"XUSTRESU": "kBq"}),
        ("NUMBERS", "XU", {"XUSTRESN": 1.5}),
        ("TR-TU", "XU", {"XULNKID": "T77"}),
        ("LENGTH", "SUPPTU", {"QLABEL": "x" * 41}),
        ("LENGTH", "SUPPTU", {"QNAM": "X" * 9}),
        ("CORE", "SUPPTU", {"QVAL": None}),
        ("LOBXFL", "XU", {"XULOBXFL": None}),
    ],
)
def test_the_check_finds_what_breaks_the_new_rules(rule, domain, changes):
    found = tables(course_of(simple_reading()))
    number = 0
    if rule == "CHANGES":
        number = next(n for n, row in enumerate(found["TR"].rows) if row["TRTESTCD"] == "ACBSD")
    assert rule in {finding.rule for finding in check_sdtm(spoiled(domain, number, **changes))}


@pytest.mark.parametrize(
    ("domain", "changes", "says"),
    [
        ("TU", {"TULOC": "LEBÉR"}, "TU, row 1, TULOC: 'LEBÉR' is not plain ASCII text"),
        ("TU", {"TULOC": "A\tB"}, r"TU, row 1, TULOC: 'A\\x09B' is not plain ASCII text"),
        ("TR", {"TRTESTCD": "LDIAMETER"}, "TR, row 1, TRTESTCD: .LDIAMETER. has 9 characters, and"),
        ("TR", {"TRTEST": "x" * 41}, "has 41 characters, and TRTEST holds at most 40"),
        ("SUPPTU", {"QVAL": "x" * 201}, "SUPPTU, row 1, QVAL: 201 bytes of text"),
    ],
)  # fmt: skip
def test_what_transport_files_cannot_hold_is_refused_at_writing(domain, changes, says):
    bad = next(dataset for dataset in spoiled(domain, 0, **changes) if dataset.domain == domain)
    for write in (require_transport, xpt_bytes):
        with pytest.raises(OutputError, match=says):
            write(bad)


def test_a_label_over_40_characters_is_refused_at_writing():
    dataset = tables(course_of(simple_reading()))["TU"]
    bad = replace(dataset, variables=(replace(dataset.variables[0], label="x" * 41), *dataset.variables[1:]))
    with pytest.raises(OutputError, match="label of at most 40"):
        require_transport(bad)


def test_every_dataset_reads_back_from_transport_equal_to_its_csv(tmp_path):
    pd = pytest.importorskip("pandas")
    pyreadstat = pytest.importorskip("pyreadstat")
    for dataset in sdtm_datasets(course_of(simple_reading()), TRIAL_DATA):
        (tmp_path / "table.xpt").write_bytes(xpt_bytes(dataset))
        (tmp_path / "table.csv").write_text(sdtm_csv(dataset), newline="")
        kinds = {v.name: float if v.kind == "Num" else str for v in dataset.variables}
        by_csv = pd.read_csv(tmp_path / "table.csv", dtype=kinds, keep_default_na=False, na_values={
            name: [""] for name, kind in kinds.items() if kind is float
        })  # fmt: skip
        by_xpt, _ = pyreadstat.read_xport(str(tmp_path / "table.xpt"))
        by_pandas = pd.read_sas(tmp_path / "table.xpt", format="xport", encoding="ascii")
        for frame in (by_xpt, by_pandas):
            texts = [name for name, kind in kinds.items() if kind is str]
            frame[texts] = frame[texts].fillna("")
            pd.testing.assert_frame_equal(frame, by_csv, check_dtype=False, rtol=1e-14)
