"""Which scan is taken as the FDG scan of the same patient, and which is refused."""

import shutil
from datetime import date, timedelta

import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.fdg import choose_fdg, describe_fdg_pets
from dotaliver.dicom.files.headers import index_folder
from dotaliver.errors import StudyError, SuvError


def edited(folder, change, modality="PT"):
    for path in sorted(folder.rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        if modality in {None, ds.Modality}:
            change(ds)
            ds.save_as(path)


def as_fdg(ds):
    ds.NumberOfSlices = 6
    (item,) = ds.RadiopharmaceuticalInformationSequence
    item.Radiopharmaceutical = "FDG -- fluorodeoxyglucose"
    item.RadionuclideCodeSequence[0].CodeValue = "77004003"
    item.RadionuclideCodeSequence[0].CodeMeaning = "^18^Fluorine"
    item.RadionuclideHalfLife = "6586.2"
    code = item.RadiopharmaceuticalCodeSequence[0]
    code.CodeValue, code.CodeMeaning = "35321007", "Fluorodeoxyglucose F^18^"


def another_study(ds):
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        uid = getattr(ds, keyword)
        setattr(ds, keyword, uid[:-1] + str((int(uid[-1]) + 1) % 10))


@pytest.fixture(scope="module")
def fdg(study, tmp_path_factory):
    """A few slices of the phantom, named FDG and another study; not to be changed."""
    folder = tmp_path_factory.mktemp("fdg") / "fdg"
    for name in ("ct", "pet"):
        (folder / name).mkdir(parents=True)
        for path in sorted((study / name).iterdir(), key=lambda p: pydicom.dcmread(p).InstanceNumber)[:6]:
            shutil.copy(path, folder / name)
    edited(folder, another_study, None)
    edited(folder, as_fdg)
    return folder


@pytest.fixture
def own(fdg, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(fdg, tmp_path / "fdg")


@pytest.fixture(scope="module")
def scored(study):
    return choose_series(index_folder(study))


def chosen(folder, scored):
    return choose_fdg(folder, scored, ScoringConfig())


def test_an_fdg_pet_ct_is_found_by_its_radiopharmaceutical(fdg, scored):
    found = chosen(fdg, scored)
    assert found.pet.uid != scored.pet.uid
    assert found.ct is not None


def test_it_is_found_in_a_folder_that_holds_the_scored_study_too(fdg, study, scored, tmp_path):
    both = shutil.copytree(study, tmp_path / "both")
    shutil.copytree(fdg, both / "more")
    assert chosen(both, scored).pet.uid == chosen(fdg, scored).pet.uid


def test_the_scored_scan_itself_is_refused(study, scored):
    with pytest.raises(StudyError, match=r"^--fdg: PT series 3 is the PET that is scored; give the FDG PET/CT"):
        chosen(study, scored)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: setattr(ds, "PatientID", "ANOTHER"), "another Patient ID"),
        (lambda ds: setattr(ds, "PatientBirthDate", "19010101"), "another Patient's Birth Date"),
        (lambda ds: setattr(ds, "PatientSex", "O"), "another Patient's Sex"),
    ],
)
def test_another_patient_is_refused(own, scored, change, words):
    edited(own, change, None)
    with pytest.raises(StudyError, match=f"^--fdg: PT series 3 has {words}"):
        chosen(own, scored)


def name_it(text, meaning=None):
    def change(ds):
        (item,) = ds.RadiopharmaceuticalInformationSequence
        item.Radiopharmaceutical = text
        if meaning is None:
            del item.RadiopharmaceuticalCodeSequence
        else:
            item.RadiopharmaceuticalCodeSequence[0].CodeMeaning = meaning
            item.RadiopharmaceuticalCodeSequence[0].CodeValue = "X"

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (name_it("68Ga-DOTATATE"), "is not FDG"),
        (name_it("Solution"), "is not FDG"),
        # The code says another tracer than the free text.
        (name_it("FDG", "Sodium fluoride F^18^"), "is not FDG"),
        (name_it("F-18 PSMA-1007"), "is not FDG"),
    ],
)
def test_a_scan_that_its_radiopharmaceutical_does_not_call_fdg_is_refused(own, scored, change, words):
    edited(own, change)
    edited(own, lambda ds: setattr(ds, "SeriesDescription", "compare with FDG"))
    with pytest.raises(StudyError, match=words):
        chosen(own, scored)


def test_fdg_with_another_nuclide_and_one_slice_of_another_tracer_are_refused(own, scored):
    path = sorted((own / "pet").iterdir())[0]
    ds = pydicom.dcmread(path)
    name_it("68Ga-DOTATATE")(ds)
    ds.save_as(path)
    with pytest.raises((StudyError, SuvError), match=r"FDG|differs between slices"):
        chosen(own, scored)


def test_mr_a_pet_without_ct_and_two_fdg_studies_are_refused(own, scored, tmp_path):
    second = shutil.copytree(own, tmp_path / "second")
    edited(second, another_study, None)
    both = tmp_path / "both"
    shutil.copytree(own, both / "a")
    shutil.copytree(second, both / "b")
    with pytest.raises(StudyError, match=r"FDG PETs of 2 studies; give the folder of one"):
        chosen(both, scored)
    shutil.rmtree(own / "ct")
    with pytest.raises(StudyError, match="the FDG PET has no CT, and the scans are aligned by their CTs"):
        chosen(own, scored)
    edited(second, lambda ds: setattr(ds, "Modality", "MR"), None)
    with pytest.raises(StudyError, match=r"holds no PET \(there is: MR\)"):
        chosen(second, scored)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StudyError, match=r"^--fdg: "):
        chosen(empty, scored)


def folder_of_both(fdg, study, folder):
    shutil.copytree(study, folder)
    shutil.copytree(fdg, folder / "more")
    return folder


def test_the_receptor_pet_is_scored_where_the_folder_holds_an_fdg_pet_too(fdg, study, scored, tmp_path):
    choice = choose_series(index_folder(folder_of_both(fdg, study, tmp_path / "both")))
    assert choice.pet.uid == scored.pet.uid
    (other,) = [r for r in choice.reports if r.series.modality == "PT" and r.role is None]
    assert "--fdg compares it" in other.reason


def described(folder, scored):
    return describe_fdg_pets(index_folder(folder), scored, ScoringConfig())


def set_date(day):
    return lambda ds: setattr(ds, "StudyDate", day)


@pytest.mark.parametrize(
    ("later", "words"), [(20, "can be compared"), (31, "can be compared"), (32, "more than 31 days")]
)
def test_an_fdg_pet_is_described_with_its_days(own, scored, later, words):
    day = date.fromisoformat(f"{scored.pet.first.StudyDate[:4]}-{scored.pet.first.StudyDate[4:6]}-01")
    offset = int(scored.pet.first.StudyDate[6:]) - 1
    edited(own, set_date((day + timedelta(days=offset + later)).strftime("%Y%m%d")), None)
    (pet,) = described(own, scored)
    assert (pet.days, pet.usable) == (later, True)
    assert words in pet.reason
    # A grade rests on pairs within 31 days.
    assert ("no NETPET grade" in pet.reason) == (later > 31)


def test_an_fdg_pet_that_cannot_be_compared_is_described_with_the_reason(own, scored, study):
    edited(own, lambda ds: setattr(ds, "StudyDate", ""), None)
    (pet,) = described(own, scored)
    assert pet.days is None
    assert "days between both scans are unknown" in pet.reason
    edited(own, lambda ds: setattr(ds, "PatientID", "ANOTHER"), None)
    (pet,) = described(own, scored)
    assert not pet.usable
    assert "another Patient ID" in pet.reason
    assert not pet.reason.startswith("--fdg")
    shutil.rmtree(own / "ct")
    edited(own, lambda ds: setattr(ds, "PatientID", scored.pet.first.PatientID), None)
    (pet,) = described(own, scored)
    assert not pet.usable
    assert "has no CT" in pet.reason
    assert described(study, scored) == ()


def test_an_fdg_pet_that_is_scored_itself_or_with_nothing_chosen_is_not_usable(own):
    alone = choose_series(index_folder(own))
    (pet,) = described(own, alone)
    assert not pet.usable
    assert "it is the PET that is scored" in pet.reason
    (pet,) = described(own, None)
    assert not pet.usable
    assert "name the receptor PET with --pet" in pet.reason
