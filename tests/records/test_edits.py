"""What a reader's edits may hold, and what an older record may still hold."""

from dotaliver.records.edits import NOT_TUMOUR, LesionEdit
from fixtures.lesions import lesion


def test_old_mark_is_still_read_and_never_translated():
    assert LesionEdit.model_validate({"label": 1, "marks": ["cystic"]}).marks == ("cystic",)
    assert "cystic" not in NOT_TUMOUR


def test_simple_cyst_and_what_is_no_lesion_are_no_tumour():
    assert not lesion(marks=("simple_cyst",)).tumour
    assert not lesion(marks=("not_a_lesion",)).tumour
    for mark in ("cystic_metastasis", "treated", "node", "receptor_negative"):
        assert lesion(marks=(mark,)).tumour
