"""De-identified outputs: element by element, and nothing of the patient in any byte of any file."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pydicom
import pytest

from dotaliver.errors import ConfigError
from dotaliver.export.deidentify.pseudonyms import Pseudonyms, pseudonym_key
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.records.edits import LesionEdit, Reader, ReaderEdits, VerdictEdit
from dotaliver.records.flags import raise_flag
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import Decision
from fixtures.command_line import run_cli
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy, sources
from fixtures.scores import DIAGNOSTIC_STUDY_UID, STUDY_UID, Case, small_case, suv, verdicts, with_diagnostic_ct

KEY = b"k3y-of-the-trial-0123456789"
# Values that stand nowhere in the program, by element; whatever turns up in a file came from the headers.
IDENTIFYING = {
    "PatientName": "Zyxwvut^Quirinus", "PatientID": "QQ-98765-KLM", "PatientBirthDate": "19310203",
    "OtherPatientIDs": "RR-43210", "OtherPatientNames": "Zyxwvutina^Q", "PatientAge": "093Y",
    "PatientAddress": "Nebelgasse 77", "PatientTelephoneNumbers": "0999-123123", "PatientComments": "knows Zyxwvut",
    "PatientMotherBirthName": "Kwark^Q", "MilitaryRank": "Obristxx", "EthnicGroup": "Atlantxx", "Occupation": "Smithxx",
    "AdditionalPatientHistory": "Historyxx", "AccessionNumber": "ACC555777", "StudyID": "SID-4711",
    "ReferringPhysicianName": "Vorrangig^Hedwig", "PhysiciansOfRecord": "Ordnung^H", "InstitutionName": "Haus Sperling",
    "InstitutionAddress": "Sperlingweg 3", "StationName": "STN-VII", "DeviceSerialNumber": "DSN-31337",
    "OperatorsName": "Oprtr^X", "StudyDescription": "Staging of Zyxwvut", "SeriesDescription": "PET of Zyxwvut",
    "ProtocolName": "Zyxwvut protocol", "AdmissionID": "ADM-222", "IssuerOfPatientID": "ISSUER-9",
    "PerformedProcedureStepID": "PPS-9", "RequestedProcedureID": "RP-77", "ImageComments": "for Zyxwvut",
    "ContrastBolusAgent": "Agentxx", "PatientInsurancePlanCodeSequence": [], "ClinicalTrialSubjectID": "SUBJ-0815",
}  # fmt: skip
STUDY_DATE, SCAN = "20240301", datetime(2024, 3, 1, 10, 0)
CAPTURED_WORDS = {
    part
    for value in IDENTIFYING.values()
    if isinstance(value, str)
    for part in re.split(r"[\^ ]", value)
    if len(part) > 4 and part not in {"protocol", "Staging"}
}


def rich_case():
    """A case whose record and headers hold everything that could tell the patient."""
    decision = Decision(reader="Lesender, Karl", role="radiologist", made_at=SCAN, reason="as told by Zyxwvut",
                        proposed="met")  # fmt: skip
    edits = ReaderEdits(
        reader=Reader(name="Lesender, Karl"),
        made_at=SCAN,
        lesions=(LesionEdit(label=2, comment="like Zyxwvut's other one"),),
        verdicts=(VerdictEdit(criterion="INC7", verdict="met", reason="as told by Zyxwvut"),),
        checklist={"Has Zyxwvut a thrombus?": True},
    )
    arithmetic = suv().model_copy(
        update={"steps": (suv().steps[0].model_copy(update={"value": "2024-03-01 09:00:00 (20240301)"}),)}
    )
    case = small_case(
        description="PET of Zyxwvut",
        suv=arithmetic,
        edits=edits,
        criteria=verdicts(
            INC7={"status": "confirmed", "decision": decision}, INC6={"evidence": {"entry": "2024-02-15"}}
        ),
        flags=(
            raise_flag("FILES_LEFT_OUT", count=1, example="Zyxwvut/letter.pdf"),
            raise_flag("INJECTION_ASSUMED", time="2024-03-01 09:00:00"),
        ),
    )
    acquisition = case.score.acquisition.model_copy(
        update={"injection": SCAN - timedelta(hours=1), "scan_start": SCAN, "ct_contrast_agent": "Agentxx"}
    )
    study = case.score.study.model_copy(update={"study_description": "Staging of Zyxwvut"})
    score = case.score.model_copy(update={"acquisition": acquisition, "study": study})
    case = with_diagnostic_ct(Case(case.volumes, case.segmentations, score))
    diagnostic = case.score.study.recist_image.model_copy(
        update={"description": "CT of Zyxwvut", "chosen_because": "named for Zyxwvut"}
    )
    study = case.score.study.model_copy(update={"recist_image": diagnostic})
    score = case.score.model_copy(update={"study": study}).with_record_id()
    given = sources(case)
    for header in (*given.pet_headers, *given.ct_headers, *given.recist_image_headers):
        for keyword, value in IDENTIFYING.items():
            setattr(header, keyword, value)
        header.add_new(0x00091001, "LO", "private of Zyxwvut")
        header.AcquisitionDate = header.SeriesDate = header.ContentDate = STUDY_DATE
    return ScoreFiles(score, case.volumes, case.segmentations, given)


@pytest.fixture(scope="module")
def files() -> ScoreFiles:
    return rich_case()


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("clean") / "out"
    write_score(files, out, '{"study": "/home/Zyxwvut"}', OutputOptions(True, False, True, True, KEY, rtstruct=True))
    return out


@pytest.fixture(scope="module")
def objects(folder) -> dict[str, pydicom.Dataset]:
    found = {p.name: pydicom.dcmread(p) for p in sorted(folder.glob("*.dcm"))}
    assert {"segmentation.dcm", "segmentation_ct.dcm", "segmentation_ct_lesions.dcm", "measurements.dcm",
            "suv_map.dcm", "report.dcm", "picture-01.dcm", "structures.dcm"} <= set(found)  # fmt: skip
    return found


PSEUDONYMS = Pseudonyms(KEY, IDENTIFYING["PatientID"])
SHIFTED = (date(2024, 3, 1) + PSEUDONYMS.shift).strftime("%Y%m%d")

# PS3.15 table E.1-1 for what our objects hold: Z empty, D another value, U another UID, X absent.
EMPTY = ("PatientBirthDate", "AccessionNumber", "StudyID", "ReferringPhysicianName")
OWN = {"PatientName", "PatientID", *EMPTY, "SeriesDescription", "DeviceSerialNumber", "ImageComments"}
ABSENT = sorted(set(IDENTIFYING) - OWN)


def test_replaced_elements_hold_the_pseudonym(objects) -> None:
    for name, dataset in objects.items():
        assert (str(dataset.PatientName), dataset.PatientID) == (f"{PSEUDONYMS.name}^", PSEUDONYMS.name), name
    assert re.fullmatch(r"DOTA-[0-9A-F]{12}", PSEUDONYMS.name)


@pytest.mark.parametrize("keyword", EMPTY)
def test_elements_of_type_2_are_empty(objects, keyword) -> None:
    for name, dataset in objects.items():
        assert keyword in dataset, name
        assert not str(dataset.get(keyword) or ""), name


@pytest.mark.parametrize("keyword", ABSENT)
def test_elements_that_may_go_are_gone_at_every_depth(objects, keyword) -> None:
    for name, dataset in objects.items():
        # RT Series has Operators' Name of type 2: there it is empty (X/Z of the table)
        kept_empty = keyword == "OperatorsName" and name == "structures.dcm"
        assert [e for e in dataset.iterall() if e.keyword == keyword and not (kept_empty and e.is_empty)] == [], name


def test_our_own_words_stand_in_elements_that_we_fill(objects) -> None:
    for dataset in objects.values():
        assert dataset.SeriesDescription.startswith("dotaliver")
        assert dataset.get("DeviceSerialNumber", "1") == "1"


def test_every_object_of_a_score_is_a_series_of_its_own(objects) -> None:
    kinds = [dataset for name, dataset in objects.items() if not name.startswith("picture-")]
    assert len({dataset.SeriesNumber for dataset in kinds}) == len(kinds)
    assert len({dataset.SeriesInstanceUID for dataset in kinds}) == len(kinds)


def test_private_elements_are_gone(objects) -> None:
    for name, dataset in objects.items():
        assert [e.tag for e in dataset.iterall() if e.tag.is_private] == [], name


def test_every_uid_of_the_study_is_another_and_the_same_everywhere(files, objects) -> None:
    old = set()
    for header in (*files.sources.pet_headers, *files.sources.ct_headers, *files.sources.recist_image_headers):
        old |= {header.SOPInstanceUID, header.SeriesInstanceUID, header.StudyInstanceUID, header.FrameOfReferenceUID}
    for name, dataset in objects.items():
        found = {str(e.value) for e in dataset.iterall() if e.VR == "UI"}
        assert found & old == set(), name
        own_study = DIAGNOSTIC_STUDY_UID if name == "segmentation_ct_lesions.dcm" else STUDY_UID
        assert dataset.StudyInstanceUID == PSEUDONYMS.uid(own_study), name
    pet = {PSEUDONYMS.uid(h.SOPInstanceUID) for h in files.sources.pet_headers}
    seg = objects["segmentation.dcm"]
    assert {i.ReferencedSOPInstanceUID for i in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence} <= pet
    evidence = {e.value for e in objects["measurements.dcm"].iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert pet | {seg.SOPInstanceUID, objects["suv_map.dcm"].SOPInstanceUID} <= evidence


def test_every_date_is_shifted_by_the_same_whole_days(objects) -> None:
    for name, dataset in objects.items():
        dates = {e.value for e in dataset.iterall() if e.VR == "DA" and e.value}
        assert dates == {SHIFTED}, name
        assert dataset.StudyTime == "091500"
    assert -5 * 365 <= PSEUDONYMS.shift.days <= -1


def test_objects_say_how_they_were_deidentified(objects) -> None:
    for dataset in objects.values():
        assert (dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
        codes = {i.CodeValue for i in dataset.DeidentificationMethodCodeSequence}
        assert codes == {"113100", "113104", "113107", "113108"}


def test_patient_characteristics_that_suv_rests_on_stay(objects) -> None:
    for dataset in objects.values():
        assert dataset.PatientSex == "F"


def test_the_record_is_shifted_and_renamed_and_its_numbers_stay(files, folder) -> None:
    before, after = files.score, StudyScore.model_validate_json((folder / "score.json").read_text())
    assert after.provenance.deidentified
    assert after.record_id != before.record_id
    for part in ("references", "liver", "burden", "uptake_unit"):
        assert getattr(after, part) == getattr(before, part)
    measured = before.lesions[0].diameter
    names = {name: PSEUDONYMS.uid(getattr(measured, name)) for name in ("series_instance_uid", "sop_instance_uid")}
    renamed = before.lesions[0].model_copy(update={"diameter": measured.model_copy(update=names)})
    assert after.lesions == (renamed, *before.lesions[1:])
    assert after.study.recist_image.sop_instance_uids == tuple(
        map(PSEUDONYMS.uid, before.study.recist_image.sop_instance_uids)
    )
    assert names["sop_instance_uid"] == after.study.recist_image.sop_instance_uids[8]
    assert after.acquisition.injection == before.acquisition.injection + PSEUDONYMS.shift
    assert after.acquisition.scan_start - after.acquisition.injection == timedelta(hours=1)
    assert after.study.study_date == (date(2024, 3, 1) + PSEUDONYMS.shift).isoformat()
    assert after.study.pet.pixel_sha256 == before.study.pet.pixel_sha256
    assert after.study.pet.sop_instance_uids == tuple(map(PSEUDONYMS.uid, before.study.pet.sop_instance_uids))
    moved = date(2024, 3, 1) + PSEUDONYMS.shift
    assert after.suv.steps[0].value == f"{moved} 09:00:00 ({moved:%Y%m%d})"
    assert after.criteria["INC6"].evidence["entry"] == str(date(2024, 2, 15) + PSEUDONYMS.shift)
    assert after.criteria["INC7"].reason == before.criteria["INC7"].reason
    assert after.config.protocol == before.config.protocol


def test_readers_and_their_words_are_gone(files, folder) -> None:
    after = StudyScore.model_validate_json((folder / "score.json").read_text())
    assert after.edits.reader.name == PSEUDONYMS.reader("Lesender, Karl") == after.criteria["INC7"].decision.reader
    assert after.edits.lesions[0].comment == after.edits.verdicts[0].reason == "removed at de-identification"
    assert after.edits.checklist == {}


def test_no_byte_of_any_file_tells_the_patient(folder) -> None:
    words = {*CAPTURED_WORDS, "Lesender", "letter.pdf", "2024-03-01", "20240301", "2024-02-15", "/home/"}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        told = {word for word in words if word.encode() in data or word.encode("utf-16-le") in data}
        assert told == set(), path.name
        assert KEY not in data


def test_the_pdf_tells_nothing_either(objects, tmp_path) -> None:
    pytest.importorskip("reportlab")
    import shutil
    import subprocess

    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian package poppler-utils) is not installed")
    pdf = objects["report.dcm"].EncapsulatedDocument
    text = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert "PET/CT: liver score" in text
    assert not {word for word in {*CAPTURED_WORDS, "Lesender", "2024-03-01"} if word in text}


@needs_dciodvfy
def test_dciodvfy_finds_no_errors(folder) -> None:
    for path in folder.glob("*.dcm"):
        assert dciodvfy_errors(path) == [], path.name


def test_without_the_option_objects_belong_to_the_patient(files, tmp_path) -> None:
    write_score(files, tmp_path / "out", "{}", OutputOptions())
    for path in (tmp_path / "out").glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        assert dataset.PatientID == IDENTIFYING["PatientID"]
        assert "PatientIdentityRemoved" not in dataset
    for name in ("score.json", "lesions.csv", "report.html"):
        assert "QQ-98765" not in (tmp_path / "out" / name).read_text()


# --- pseudonyms ------------------------------------------------------------------------------------------------------


def test_pseudonyms_depend_on_key_and_patient_alone() -> None:
    one, again, other, elsewhere = (
        Pseudonyms(KEY, "A"), Pseudonyms(KEY, "A"), Pseudonyms(KEY, "B"), Pseudonyms(b"another key 0123456", "A"),
    )  # fmt: skip
    assert (one.name, one.shift, one.uid("1.2")) == (again.name, again.shift, again.uid("1.2"))
    assert len({one.name, other.name, elsewhere.name}) == 3
    assert one.uid("1.2") == other.uid("1.2") != elsewhere.uid("1.2")
    assert one.reader("R") == other.reader("R") != one.reader("S")
    assert "A" not in repr(one).replace("Pseudonyms", "")
    assert len(one.uid("1.2")) <= 64


@pytest.mark.parametrize(
    ("text", "days"),
    [("2024-03-01", 0), ("on 20240301 at 9", 0), ("no date 2024", None), ("12024030112", None), ("2024-13-01", None),
     ("1.2.20240301123", None)],
)  # fmt: skip
def test_only_dates_are_shifted(text: str, days: int | None) -> None:
    moved = PSEUDONYMS.dates_in(text)
    if days is None:
        assert moved == text
    else:
        assert moved != text
        assert len(moved) == len(text)


def test_uids_are_replaced_within_texts_but_not_within_numbers() -> None:
    long, short = "1.2.826.0.1.3680043.7", "1.2.3.4"
    uids = {long, short}
    assert PSEUDONYMS.text(f"series {long}.", uids) == f"series {PSEUDONYMS.uid(long)}."
    assert PSEUDONYMS.text(short, uids) == PSEUDONYMS.uid(short)
    assert PSEUDONYMS.text("version 1.2.3.4", uids) == "version 1.2.3.4"


def test_keys_come_from_the_environment_or_a_private_file(tmp_path) -> None:
    assert pseudonym_key(None, {"DOTALIVER_PSEUDONYM_KEY": "0123456789abcdef\n"}) == b"0123456789abcdef"
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text("fedcba9876543210\n")
    assert pseudonym_key(path, {}) == b"fedcba9876543210"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        pseudonym_key(path, {})
    with pytest.raises(ConfigError, match="needs a key"):
        pseudonym_key(None, {})
    with pytest.raises(ConfigError, match="too short"):
        pseudonym_key(None, {"DOTALIVER_PSEUDONYM_KEY": "short"})
    assert "fedcba" not in repr(OutputOptions(pseudonym_key=b"fedcba9876543210"))


def test_the_command_line_deidentifies_and_does_not_revise_it(scored, tmp_path, monkeypatch, no_pictures) -> None:
    monkeypatch.delenv("DOTALIVER_PSEUDONYM_KEY", raising=False)
    done = run_cli("rescore", scored, "--out", tmp_path / "clean", "--deidentify")
    assert done.status == 2
    assert "needs a key" in done.err
    assert not (tmp_path / "clean").exists()
    monkeypatch.setenv("DOTALIVER_PSEUDONYM_KEY", KEY.decode())
    done = run_cli("rescore", scored, "--out", tmp_path / "clean", "--deidentify", "--quiet")
    assert done.status == 0, done.err
    told = json.loads((tmp_path / "clean" / "score.json").read_text())
    assert told["provenance"]["deidentified"] is True
    assert json.loads((tmp_path / "clean" / "local.json").read_text()) == {"deidentified": True}
    done = run_cli("rescore", tmp_path / "clean", "--out", tmp_path / "again")
    assert done.status == 3
    assert "is de-identified and cannot be revised" in done.err
