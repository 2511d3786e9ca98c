"""What a batch's manifest says of single studies, and which rows are refused before anything runs."""

from datetime import date

import pytest

from dotaliver.batch.records import Place, RunSettings, StudyTask
from dotaliver.batch.run import BatchInput, run_batch
from dotaliver.batch.score_task import score_task
from dotaliver.batch.stamps import stamp_of
from dotaliver.batch.study_options import StudyOptions, options_of_studies
from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.errors import CourseError, StudyError

HEAD = "study_id,site_id,subject_id,study_instance_uid,visit,visit_number,analogue,analogue_date,recist_image,fdg"


def manifest(folder, *ends, uid="1.2.3"):
    """A manifest whose rows end as given; the visit differs."""
    path = folder / "manifest.csv"
    rows = [f"T1,S1,007,{uid if n == 0 else '1.2.4'},V{n},{n}.0,{end}" for n, end in enumerate(ends)]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


def test_each_study_has_what_its_row_says(tmp_path):
    (tmp_path / "fdg" / "one").mkdir(parents=True)
    path = manifest(tmp_path, "Long-Acting,2024-02-01,*portal*,fdg/one", ",,,")
    found = options_of_studies(path)
    assert found["1.2.3"] == StudyOptions(
        analogue="long-acting",
        analogue_date=date(2024, 2, 1),
        recist_image="*portal*",
        fdg=str((tmp_path / "fdg" / "one").resolve()),
    )
    assert found["1.2.4"] == StudyOptions()


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("monthly,,,",), r"manifest\.csv, row 2, column analogue"),
        (("long-acting,last month,,",), r"manifest\.csv, row 2, column analogue_date"),
        (("none,2024-02-01,,",), r"manifest\.csv, row 2, .*analogue_date without an analogue"),
        ((",2024-02-01,,",), r"manifest\.csv, row 2, .*analogue_date without an analogue"),
        ((",,,", ",,,gone"), r"manifest\.csv, row 3, column fdg: there is no such folder"),
    ],
)
def test_a_wrong_value_is_refused_by_file_and_row_before_anything_runs(tmp_path, ends, message):
    given = BatchInput(tmp_path / "nowhere", tmp_path / "out", manifest=manifest(tmp_path, *ends))
    with pytest.raises(CourseError, match=message):
        run_batch(given)
    assert not (tmp_path / "out").exists()


def test_rows_of_one_study_must_agree(tmp_path):
    path = manifest(tmp_path, "long-acting,,,", "short-acting,,,")
    path.write_text(path.read_text().replace("1.2.4", "1.2.3"))
    with pytest.raises(CourseError, match="rows 2 and 3: two values of analogue for one study"):
        options_of_studies(path)


@pytest.mark.parametrize("again", [False, True])
def test_a_study_is_scored_with_its_own_options(again, monkeypatch, tmp_path):
    asked = {}

    def score(first, rules=None, *, study=None, config=None, **_):
        asked.update(source=study or first, config=config or rules)
        raise StudyError("enough")

    monkeypatch.setattr("dotaliver.pipeline.rescore" if again else "dotaliver.pipeline.score_study", score)
    if again:
        stored = ScoringConfig(assume=AssumedValues(weight_kg=70.0))
        record = type("Record", (), {"config": stored})
        monkeypatch.setattr("dotaliver.pipeline.read_record", lambda _folder: record)
    own = StudyOptions(analogue="short-acting", recist_image="7", fdg=str(tmp_path / "fdg"))
    task = StudyTask(key="k", study_uid=None, place=Place(folder=str(tmp_path)), options=own)
    run = RunSettings(run_id="r", rescore=again, recist_image="*portal*")
    with pytest.raises(StudyError, match="enough"):
        score_task(task, tmp_path / "out", run, lambda _stage: None)
    assert (asked["source"].recist_image, asked["source"].fdg) == ("7", tmp_path / "fdg")
    assert asked["config"].assume.analogue == "short-acting"
    # What the stored score stated otherwise is kept.
    assert asked["config"].assume.weight_kg == (70.0 if again else None)


def test_a_score_is_out_of_date_when_its_options_or_its_fdg_scan_change(tmp_path):
    settings, own = RunSettings(run_id="r"), StudyOptions(analogue="short-acting")
    assert settings.answer_sha256() == settings.answer_sha256(StudyOptions())
    assert settings.answer_sha256() != settings.answer_sha256(own)
    for name in ("study", "fdg"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.dcm").write_bytes(b"1")
    place, with_fdg = Place(folder=str(tmp_path / "study")), StudyOptions(fdg=str(tmp_path / "fdg"))
    task = StudyTask(key="k", study_uid=None, place=place, options=with_fdg)
    before = stamp_of(task)
    (tmp_path / "fdg" / "one.dcm").write_bytes(b"22")
    assert stamp_of(task) != before
