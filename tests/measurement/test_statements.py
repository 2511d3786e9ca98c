"""A reader's statement acts, or it is refused in one sentence that says why."""

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from fixtures.arrays import Case, ball, layer, series

READER = {"name": "A. Reader", "role": "radiologist"}


class Outside(Case):
    """Lesion 1 in the liver, lesion 2 outside it, lesion 3 a cold place in the liver, each a ball."""

    def __init__(self):
        super().__init__(((96.0, 12.0, 20.0),), noise=0.05)
        for label, centre, radius, uptake in ((2, (140.0, 72.0, 72.0), 5.0, 12.0), (3, (52.0, 72.0, 72.0), 10.0, 0.5)):
            place = ball(self.geometry, centre, radius)
            self.suv[place], self.labels[place] = uptake, label


CASE = Outside()
FOCUS = np.where(ball(CASE.geometry, (72.0, 72.0, 100.0), 8.0), 901, 0)


def score(edits, *, signed=True, masks=None, case=CASE):
    given = {**({"reader": READER} if signed else {}), **edits}
    foci = layer(FOCUS, CASE.geometry, drawn_on="ct")
    volumes = case.volumes(ct=series("CT", case.geometry, 3.0))
    masks = masks or case.segmentations(ct_foci=foci)
    return score_labels(volumes, masks, ReaderEdits.model_validate(given), ScoringConfig())


def line(a, b):
    return {"long_axis_lps_mm": [list(a), list(b)]}


def drawn(long, short=None, label=1):
    diameter = {"long_axis_lps_mm": long} | ({} if short is None else {"short_axis_lps_mm": short})
    return {"lesions": [{"label": label, "diameter": diameter}]}


ACROSS = [[84, 72, 72], [108, 72, 72]]


def marked(*marks, label=1):
    return {"lesions": [{"label": label, "marks": list(marks)}]}


REFUSED = {
    "rest of body and a receptor-negative lesion of it": (
        {"rest_of_body": {"lesions": False, "receptor_negative": True}}, "contradict each other"),
    "no lesions elsewhere, and a measurable one": (
        {"rest_of_body": {"lesions": False, "measurable": True}}, "contradict each other"),
    "no lesions elsewhere, and one is outlined": ({"rest_of_body": {"lesions": False}}, "lesion 2 is outlined outside"),
    "no uptake elsewhere, and one is outlined": (
        {"rest_of_body": {"lesions": True, "uptake_above_liver": False}}, "lesion 2 outside the liver has uptake"),
    "an old mark": (marked("cystic", label=3), "'simple_cyst' (no tumour) or 'cystic_metastasis' (tumour)"),
    "two kinds": (marked("simple_cyst", "cystic_metastasis", label=3), "contradict each other"),
    "no lesion, and a target": (marked("not_a_lesion", "target"), "contradict each other"),
    "a cyst without receptors": (marked("simple_cyst", "receptor_negative", label=3), "contradict each other"),
    "a target that was treated": (marked("target", "treated"), "not measurable"),
    "progress after no treatment": (marked("progressed_since_treatment"), "mark it treated too"),
    "a cyst with uptake": (marked("simple_cyst"), "takes up no tracer"),
    "uptake without receptors": (marked("receptor_negative"), "lies above normal liver"),
    "bone in the liver": (marked("blastic_bone"), "lies in the liver"),
    "a mark that no CT candidate has": (marked("treated", label=901), "cannot be marked treated"),
    "a diameter of a CT candidate": (drawn([[66, 72, 100], [78, 72, 100]], label=901), "outline it as a lesion"),
    "a lesion that is not there": (marked("target", label=44), "lesion 44"),
    "a diameter 500 mm away": (drawn([[584, 72, 72], [608, 72, 72]]), "mm from the lesion"),
    "a diameter at another lesion": (drawn([[42, 72, 72], [62, 72, 72]]), "mm from the lesion"),
    "a diameter through slices": (drawn([[96, 72, 62], [96, 72, 82]]), "runs through slices"),
    "a diameter tilted by one slice": (drawn([[84, 72, 72], [108, 72, 75]]), "runs through slices"),
    "a short axis in another slice": (drawn(ACROSS, [[96, 62, 75], [96, 82, 75]]), "runs through slices"),
    "a short axis longer than the long one": (drawn(ACROSS, [[96, 57, 72], [96, 87, 72]]), "longer than the long axis"),
    "a short axis along the long one": (drawn(ACROSS, [[88, 72, 72], [104, 73, 72]]), "not perpendicular"),
    "a short axis elsewhere": (drawn(ACROSS, [[96, 92, 72], [96, 108, 72]]), "does not cross"),
    "a point": (drawn([[96, 72, 72], [96, 72, 72]]), "shorter than 1 mm"),
    "a diameter of no lesion": (
        {"lesions": [{"label": 1, "marks": ["not_a_lesion"], "diameter": line(*ACROSS)}]}, "cannot count"),
    "normal liver outside the liver": (
        {"references": [{"centre_lps_mm": [20, 20, 20], "diameter_mm": 30}]}, "100 % of the liver reference"),
    "normal liver half outside the liver": (
        {"references": [{"centre_lps_mm": [72, 20, 72], "diameter_mm": 30}]}, "lies outside the liver"),
    "normal liver on a lesion": (
        {"references": [{"centre_lps_mm": [96, 72, 72], "diameter_mm": 20}]}, "lies on lesion 1"),
    "a spleen in the liver": (
        {"references": [{"organ": "spleen", "centre_lps_mm": [72, 72, 72], "diameter_mm": 20}]}, "lies in the liver"),
    "two livers": (
        {"references": 2 * [{"centre_lps_mm": [72, 44, 72], "diameter_mm": 30}]}, "two reference spheres of the liver"),
    "a checklist of another trial": ({"checklist": {"Left-handed": True}}, "not on the checklist"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_statement_that_contradicts_or_cannot_act_is_refused(name):
    edits, words = REFUSED[name]
    with pytest.raises(ConfigError) as refusal:
        score(edits)
    assert words in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    "edits",
    [
        {"rest_of_body": {"lesions": True}},
        {"lesions_complete": True},
        drawn(ACROSS),
        marked("receptor_negative", label=3),
        {"verdicts": [{"criterion": "EXC4", "verdict": "not_met"}]},
    ],
)
def test_what_carries_an_answer_is_signed(edits):
    with pytest.raises(ConfigError, match="without saying who reads; give 'reader' with name and role"):
        score(edits, signed=False)
    score(edits)


def test_completeness_of_a_mask_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="there is none"):
        score({"lesions_complete": True}, masks=CASE.segmentations(lesions=None))


def test_a_true_diameter_acts_and_its_reader_is_named():
    found = score(drawn(ACROSS, [[96, 62, 72], [96, 82, 72]]))
    assert (found.lesions[0].longest_diameter_mm, found.lesions[0].short_axis_mm) == (24.0, 20.0)
    assert found.criteria["INC4"].verdict == "met"
    assert "drawn by A. Reader (radiologist)" in found.criteria["INC4"].reason


def test_a_diameter_of_a_larger_mass_around_what_the_pet_outlines_is_taken():
    assert score(drawn([[80, 72, 72], [140, 72, 72]])).lesions[0].longest_diameter_mm == 60.0


def test_a_simple_cyst_counts_nowhere_and_a_cystic_metastasis_everywhere():
    plain, cyst = score({}), score(marked("simple_cyst", label=3))
    metastasis = score(marked("cystic_metastasis", label=3))
    gone_ml = plain.burden.tumour_ml - cyst.burden.tumour_ml
    assert gone_ml == pytest.approx(plain.lesions[2].volume_ml, rel=0.01)
    assert metastasis.burden == plain.burden
    assert (plain.criteria["INC7"].evidence["lesions"], cyst.criteria["INC7"].evidence["lesions"]) == (3, 2)
    assert metastasis.criteria["INC7"].evidence["lesions"] == 3
    assert (plain.criteria["INC4"].evidence["lesions"], cyst.criteria["INC4"].evidence["lesions"]) == (3, 2)


def test_a_readers_statement_names_name_and_role_in_the_verdicts():
    found = score({"rest_of_body": {"lesions": True, "receptor_negative": True, "measurable": True}})
    for criterion in ("EXC6", "INC4"):
        assert found.criteria[criterion].verdict == "met"
        assert found.criteria[criterion].reason.startswith("A. Reader (radiologist) states")
    sphere = {"references": [{"centre_lps_mm": [72, 44, 72], "diameter_mm": 30}]}
    flag = next(flag for flag in score(sphere).flags if flag.code == "REFERENCE_BY_READER")
    assert "A. Reader (radiologist)" in flag.sentence
