"""A reading without a window: what is edited, undone, measured and saved, and that `rescore` says the same."""

from __future__ import annotations

import numpy as np
import pytest
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.errors import ConfigError, GeometryError, MaskError, OutputError
from dotaliver.pipeline import StudyInput, open_score, outcome_as_stored, read_record, rescore
from dotaliver.records.edits import LesionEdit, ReaderEdits, RestOfBody, VerdictEdit

READER = ("A Reader", "nuclear-medicine physician")


def grown(session: ReadingSession, label: int) -> np.ndarray:
    """The lesions with one of them a voxel larger all round, where no other lies."""
    from scipy.ndimage import binary_dilation

    array = session.lesions.array.copy()
    array[binary_dilation(array == label) & (array == 0)] = label
    return array


def largest(session: ReadingSession) -> int:
    return max(session.score.lesions, key=lambda lesion: lesion.volume_ml).label


def lesion(score, label):
    return next(found for found in score.lesions if found.label == label)


def record_again(session: ReadingSession, tmp_path, scored):
    """The record of a saved reading by `rescore`: from its own folder, and from the first with its masks and edits."""
    saved = tmp_path / "read"
    session.save(saved)
    stored = read_record(saved)
    own = rescore(saved).score
    named = StudyInput(
        scored,
        liver=saved / "segmentation_ct.dcm" if session.state.liver is not None else None,
        lesions=saved / "segmentation.dcm" if session.state.lesions is not None else None,
    )
    return stored, own, rescore(scored, study=named, edits=stored.edits).score


# --- the record is the one that rescore makes ------------------------------------------------------------------------


def test_nothing_edited_is_the_automatic_record(session, outcome):
    assert session.score == outcome.score
    assert not session.stale
    assert not session.dirty
    assert not session.changes().effects
    assert session.measuring()(lambda _: None).score.record_id == outcome.score.record_id


def test_a_reading_of_a_stored_score_gives_the_record_of_one_that_was_just_scored(session, scored):
    stored = ReadingSession(outcome_as_stored(open_score(scored)), scored)
    for reading in (session, stored):
        reading.set_lesions(grown(reading, largest(reading)))
        reading.remeasure()
    assert stored.score.record_id == session.score.record_id != session.automatic.record_id


@pytest.mark.usefixtures("masks_only")
def test_painted_lesion_and_edits_give_the_record_of_rescore(session, tmp_path, scored):
    label = largest(session)
    others = [found.label for found in session.score.lesions if found.label != label]
    session.set_lesions(grown(session, label))
    session.delete_lesion(others[0])
    session.mark_lesion(others[1], "treated")
    x, y, z = lesion(session.score, label).centroid_lps_mm
    session.redraw_diameter(label, ((x - 21.0, y, z), (x + 21.0, y, z)))
    session.sign(*READER)
    session.state_rest_of_body(RestOfBody(lesions=False))
    session.remeasure()
    proposed = session.score.criteria["EXC4"].verdict
    session.answer("EXC4", proposed)
    session.answer("DOM", "not_met", "Disease outside the liver dominates")
    stored, own, again = record_again(session, tmp_path, scored)
    assert stored.record_id == session.score.record_id == own.record_id == again.record_id
    assert stored.provenance.revises == session.automatic.record_id
    assert stored.edits.reader.name == READER[0]
    assert stored.edits.made_at is not None
    assert stored.criteria["DOM"].status == "overruled"
    assert lesion(stored, label).longest_diameter_mm == pytest.approx(42.0)
    assert others[0] not in {found.label for found in stored.lesions}


@pytest.mark.usefixtures("masks_only")
def test_painted_lesions_are_all_only_where_the_reader_says_so(session, tmp_path, scored):
    session.set_lesions(grown(session, largest(session)))
    session.remeasure()
    assert session.score.segmentation.lesions_complete is False
    assert session.score.criteria["EXC4"].verdict == "indeterminate"
    session.state_completeness(True)
    assert session.stale
    session.sign(*READER)
    stored, own, again = record_again(session, tmp_path, scored)
    assert stored.segmentation.lesions_complete is True
    assert stored.criteria["EXC4"].verdict == session.automatic.criteria["EXC4"].verdict == "not_met"
    assert stored.record_id == own.record_id == again.record_id


@pytest.mark.usefixtures("masks_only")
def test_painted_liver_gives_the_record_of_rescore(session, tmp_path, scored):
    from scipy.ndimage import binary_erosion

    liver = session.liver.array != 0
    session.set_liver(binary_erosion(liver))
    session.sign(*READER)
    stored, own, again = record_again(session, tmp_path, scored)
    assert stored.record_id == own.record_id == again.record_id
    assert stored.liver.volume_ml < session.automatic.liver.volume_ml


@pytest.mark.usefixtures("masks_only")
def test_moved_reference_gives_the_record_of_rescore(session, tmp_path, scored):
    (x, y, z), _ = session.reference_sphere
    session.place_reference((x + 6.0, y, z), 20.0)
    assert session.reference_sphere == ((x + 6.0, y, z), 20.0)
    session.sign(*READER)
    stored, own, again = record_again(session, tmp_path, scored)
    assert stored.record_id == own.record_id == again.record_id
    assert stored.references["liver"].method == "reader"
    assert stored.references["liver"].diameter_mm == 20.0


@pytest.mark.usefixtures("masks_only")
def test_every_lesion_deleted_can_be_saved_and_rescored(session, tmp_path):
    session.set_lesions(np.zeros_like(session.lesions.array))
    session.sign(*READER)
    session.save(tmp_path / "read")
    stored = read_record(tmp_path / "read")
    assert stored.lesions == ()
    assert stored.burden.tumour_ml == 0
    assert rescore(tmp_path / "read").score.record_id == stored.record_id


@pytest.mark.usefixtures("masks_only")
def test_reopened_reading_goes_on_where_it_was(session, tmp_path):
    label = largest(session)
    session.set_lesions(grown(session, label))
    session.sign(*READER)
    session.remeasure()
    session.answer("INC7", session.score.criteria["INC7"].verdict)
    session.save(tmp_path / "read")
    reopened = ReadingSession(rescore(tmp_path / "read"), tmp_path / "read")
    assert reopened.score.record_id == read_record(tmp_path / "read").record_id
    assert not reopened.stale
    assert reopened.reader.name == READER[0]
    with pytest.raises(ConfigError, match="name and role"):
        reopened.saving(tmp_path / "again")
    reopened.sign(*READER)
    reopened.mark_lesion(label, "treated")
    reopened.answer("INC7", None)
    reopened.save(tmp_path / "again")
    chained = read_record(tmp_path / "again")
    assert chained.provenance.revises == session.score.record_id
    assert chained.criteria["INC7"].status == "proposed"
    edits = chained.edits
    assert rescore(tmp_path / "read", edits=edits).score.record_id == chained.record_id


@pytest.mark.usefixtures("masks_only")
def test_record_that_lies_nowhere_yet_is_written_beside(outcome, tmp_path):
    fresh = ReadingSession(outcome)
    fresh.sign(*READER)
    fresh.save(tmp_path / "read")
    parent = read_record(tmp_path / "read" / "automatic")
    assert read_record(tmp_path / "read").provenance.revises == parent.record_id == outcome.score.record_id


# --- what an edit leaves alone ---------------------------------------------------------------------------------------


def test_edit_of_one_lesion_moves_no_number_of_another(session):
    label = largest(session)
    before = session.score
    session.set_lesions(grown(session, label))
    session.remeasure()
    for old in before.lesions:
        new = lesion(session.score, old.label)
        if old.label == label:
            assert new.volume_ml > old.volume_ml
        else:
            assert (new.suv_max, new.suv_mean, new.volume_ml) == (old.suv_max, old.suv_mean, old.volume_ml)
            assert new.longest_diameter_mm == old.longest_diameter_mm
    assert session.score.references["spleen"] == before.references["spleen"]
    assert session.score.references["blood_pool"] == before.references["blood_pool"]
    # The Krenning grade compares with the limit of normal liver, whose noise is read where no lesion lies.
    changed = {
        change.field.split("]")[0]
        for change in session.changes().effects
        if change.field.startswith("lesions[") and not change.field.endswith(".krenning")
    }
    assert changed == {f"lesions[{label}"}


def test_reference_moves_away_from_a_lesion_painted_over_it(session):
    centre, diameter = session.reference_sphere
    grid = session.lesions.geometry
    index = tuple(int(n) for n in np.rint(grid.lps_to_index(centre)))
    array = session.lesions.array.copy()
    new = session.next_label()
    array[index[0] - 1 : index[0] + 2, index[1] - 1 : index[1] + 2, index[2] - 1 : index[2] + 2] = new
    session.set_lesions(array)
    session.remeasure()
    moved = session.reference_sphere
    assert moved is not None
    assert np.linalg.norm(np.subtract(moved[0], centre)) > diameter / 2


# --- steps -----------------------------------------------------------------------------------------------------------


def test_undo_and_redo_walk_through_every_kind_of_edit(session):
    label = largest(session)
    first = session.lesions.array.copy()
    session.delete_lesion(label)
    session.mark_lesion(session.lesions.labels[0], "simple_cyst")
    session.place_reference(*session.reference_sphere)
    assert session.can_undo
    for _ in range(3):
        session.undo()
    assert not session.can_undo
    np.testing.assert_array_equal(session.lesions.array, first)
    assert session.edits == ReaderEdits()
    assert not session.dirty
    assert not session.stale
    for _ in range(3):
        session.redo()
    assert label not in session.lesions.labels
    assert session.edits.lesions[0].marks == ("simple_cyst",)
    assert session.edits.references
    session.undo()
    session.mark_lesion(session.lesions.labels[0], "treated")
    assert not session.can_redo


def test_lesions_painted_back_are_the_automatic_ones(session, outcome):
    array = session.lesions.array.copy()
    session.delete_lesion(largest(session))
    session.set_lesions(array)
    assert session.state.lesions is None
    session.remeasure()
    assert session.score.record_id == outcome.score.record_id


def test_deleting_a_lesion_takes_what_was_said_of_it(session):
    label = largest(session)
    session.mark_lesion(label, "treated")
    session.delete_lesion(label)
    assert session.edits.lesions == ()
    session.undo()
    assert session.marks_of(label) == ("treated",)


def test_merge_and_split_are_inverse_for_lesions_apart(session):
    first, second = session.lesions.labels[:2]
    before = session.lesions
    sizes = {n: int(before.where(n).sum()) for n in (first, second)}
    session.merge_lesions([second, first])
    assert second not in session.lesions.labels
    assert int(session.lesions.where(first).sum()) == sum(sizes.values())
    names = session.split_lesion(first)
    assert names[0] == first
    assert names[1] not in before.labels, "a number that was a lesion's is not given to another"
    assert sorted(int(session.lesions.where(n).sum()) for n in names) == sorted(sizes.values())


def test_marks_can_be_taken_back_without_a_trace(session):
    label = session.lesions.labels[0]
    session.mark_lesion(label, "treated")
    assert session.stale
    session.mark_lesion(label, "treated", on=False)
    assert session.edits.lesions == ()
    assert not session.stale


def test_change_is_told_and_can_be_ended(session):
    told = []
    end = session.on_change(lambda: told.append(session.stale))
    session.mark_lesion(session.lesions.labels[0], "treated")
    session.remeasure()
    assert told == [True, False]
    end()
    session.undo()
    assert len(told) == 2


# --- answers ---------------------------------------------------------------------------------------------------------


def test_answers_show_at_once(session):
    session.sign(*READER)
    session.answer("INC7", session.score.criteria["INC7"].verdict)
    assert session.score.criteria["INC7"].status == "confirmed"
    assert session.score.criteria["INC7"].decision.reader == READER[0]
    assert not session.stale
    session.undo()
    assert session.score.criteria["INC7"].status == "proposed"


def test_a_signature_that_was_undone_no_longer_counts(session):
    session.sign(*READER)
    session.sign("B Reader", "radiologist")
    session.undo()
    assert (session.reader.name, session.signed) == (READER[0], False)
    session.redo()
    assert (session.reader.name, session.signed) == ("B Reader", True)


def test_restored_edits_of_somebody_else_are_not_signed_by_who_restores_them(session, outcome):
    session.sign(*READER)
    session.answer("INC7", session.proposed("INC7"))
    other = ReadingSession(outcome)
    other.sign("B Reader", "radiologist")
    other.resume(session.state)
    assert (other.reader.name, other.signed) == (READER[0], False)
    with pytest.raises(ConfigError, match="name and role"):
        other.answer("EXC4", other.proposed("EXC4"))
    other.sign("B Reader", "radiologist")
    assert other.score.criteria["INC7"].status == "proposed", "another reader's answer is not taken over"


def test_signing_in_again_under_the_same_name_is_told_though_nothing_is_edited(session, outcome):
    session.sign(*READER)
    again = ReadingSession(outcome)
    again.resume(session.state)
    seen = []
    again.on_change(lambda: seen.append(again.signed))
    again.sign(*READER)
    assert seen == [True]


def test_overruling_needs_a_name_and_a_reason(session):
    other = "not_met" if session.score.criteria["INC7"].verdict == "met" else "met"
    with pytest.raises(ConfigError, match="name and role"):
        session.answer("INC7", other, "because")
    session.sign(*READER)
    with pytest.raises(ConfigError, match="Inclusion 7: give a reason"):
        session.answer("INC7", other, "  ")
    session.answer("INC7", other, "because")
    assert session.score.criteria["INC7"].verdict == other
    assert session.proposed("INC7") != other


def test_confirmation_falls_when_the_proposal_changes(session):
    session.sign(*READER)
    assert session.score.criteria["INC7"].verdict == "met"
    session.answer("INC7", "met")
    session.set_lesions(np.zeros_like(session.lesions.array))
    measured = session.remeasure()
    assert session.score.criteria["INC7"].verdict != "met"
    assert session.edits.verdicts == ()
    assert measured.withdrawn == (
        "The confirmation of Inclusion 7 was withdrawn: the images now propose a different answer.",
    )


def test_checklist_takes_the_protocols_items_alone(session):
    session.sign(*READER)
    item = session.config.protocol.checklist[1]
    session.check(item, False)
    session.check(session.config.protocol.checklist[0], True)
    assert list(session.edits.checklist.items()) == [(session.config.protocol.checklist[0], True), (item, False)]
    session.check(item, None)
    assert item not in session.edits.checklist
    with pytest.raises(ConfigError, match="no item"):
        session.check("Something else", True)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_masks_of_another_shape_or_kind_are_refused(session):
    with pytest.raises(MaskError, match="voxels"):
        session.set_lesions(np.zeros((3, 3, 3), dtype=np.uint8))
    with pytest.raises(MaskError, match="not labels"):
        session.set_lesions(np.zeros(session.lesions.array.shape))
    with pytest.raises(MaskError, match="below 901"):
        session.set_lesions(np.full(session.lesions.array.shape, 901, dtype=np.uint16))
    with pytest.raises(MaskError, match="empty"):
        session.set_liver(np.zeros(session.liver.array.shape, dtype=bool))
    assert not session.can_undo


def test_places_off_the_images_are_refused(session):
    with pytest.raises(GeometryError, match="leaves the PET"):
        session.place_reference((1e4, 0.0, 0.0), 30.0)
    with pytest.raises(GeometryError, match="finite"):
        session.redraw_diameter(session.lesions.labels[0], ((np.nan, 0, 0), (1, 1, 1)))
    with pytest.raises(GeometryError, match="1 mm"):
        session.redraw_diameter(session.lesions.labels[0], ((0, 0, 0), (0.5, 0, 0)))


def test_lesions_that_are_not_there_are_refused(session):
    for act in (session.delete_lesion, session.split_lesion, lambda n: session.mark_lesion(n, "treated")):
        with pytest.raises(MaskError, match="lesion 777 does not exist"):
            act(777)
    with pytest.raises(MaskError, match="two lesions"):
        session.merge_lesions([session.lesions.labels[0]])
    with pytest.raises(ConfigError, match="no mark"):
        session.mark_lesion(session.lesions.labels[0], "pretty")


def test_saving_needs_a_reader_and_another_folder(session, tmp_path, scored):
    with pytest.raises(ConfigError, match="name and role"):
        session.save(tmp_path / "read")
    session.sign(*READER)
    with pytest.raises(OutputError, match="choose another"):
        session.save(scored)
    assert not (tmp_path / "read").exists()


@pytest.mark.usefixtures("masks_only")
def test_saved_is_clean_until_the_next_edit(session, tmp_path):
    session.sign(*READER)
    assert session.dirty
    session.save(tmp_path / "read")
    assert not session.dirty
    session.mark_lesion(session.lesions.labels[0], "node")
    assert session.dirty
    session.undo()
    assert not session.dirty


def test_measurement_of_an_older_step_is_not_taken(session):
    job, of = session.measuring(), session.state
    session.delete_lesion(session.lesions.labels[0])
    measured = job(lambda _: None)
    assert not session.adopt(measured, of)
    assert session.stale


def test_edits_of_a_record_are_taken_over(outcome, scored):
    edits = ReaderEdits(lesions=(LesionEdit(label=outcome.score.lesions[0].label, marks=("treated",)),))
    revised = rescore(scored, edits=edits)
    session = ReadingSession(revised, None)
    assert session.marks_of(outcome.score.lesions[0].label) == ("treated",)
    assert not session.dirty
    assert VerdictEdit not in map(type, session.edits.verdicts)
