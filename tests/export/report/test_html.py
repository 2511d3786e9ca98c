"""The report: self-contained, escaped, in words, and complete whatever a study lacks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from dotaliver.config.protocol import default_protocol
from dotaliver.config.scoring import ScoringConfig
from dotaliver.export.report.html import report_html
from dotaliver.export.report.words import verdict_headline
from dotaliver.records.edits import LesionEdit, Reader, ReaderEdits, RestOfBody, VerdictEdit
from dotaliver.records.flags import raise_flag
from dotaliver.records.verdicts import Decision, Verdict
from fixtures.scores import Case, lesion, score_for, small_case, verdicts


class Text(HTMLParser):
    """The visible text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.parts))


def render(case: Case) -> str:
    return report_html(case.score, case.volumes, case.segmentations)


@pytest.fixture(scope="module")
def page() -> str:
    return render(small_case())


def test_one_file_without_network_or_script(page: str) -> None:
    assert len(page.encode()) < 5_000_000
    for tag, attributes in Text(page).tags:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attributes)
    without_data = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page)
    assert "http" not in without_data.replace("http-equiv", "")
    assert "url(" not in without_data and "@import" not in without_data


def test_verdicts_stand_first_then_pictures_then_provenance(page: str) -> None:
    text = Text(page).text
    order = [
        "Inclusion 7 fulfilled", "Exclusion 4 does not apply", "Liver volume", "Maximum-intensity projections",
        "Liver on CT",
        "Lesions Largest", "Uptake distribution", "Tumour burden Tumour", "Caveats", "SUV calculation",
        "Acquisition", "Provenance",
    ]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    for key in ("INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM"):
        assert f"The reason of {key} stands here." in text


@pytest.mark.parametrize(
    ("key", "word", "words"),
    [
        ("INC7", "met", "Inclusion 7 fulfilled"),
        ("INC7", "not_met", "Inclusion 7 not fulfilled"),
        ("INC7", "indeterminate", "Inclusion 7 undecided"),
        ("INC7", "not_evaluable", "Inclusion 7 not evaluable"),
        ("EXC4", "met", "Exclusion 4 applies"),
        ("EXC4", "not_met", "Exclusion 4 does not apply"),
        ("EXC4", "indeterminate", "Exclusion 4 undecided"),
        ("EXC4", "not_evaluable", "Exclusion 4 not evaluable"),
        ("DOM", "met", "Liver dominance present"),
    ],
)
def test_each_verdict_has_its_words(key: str, word: str, words: str) -> None:
    verdict = Verdict(criterion=key, verdict=word, effect="undecided", scope="liver", liver_finding=None, reason="r")  # type: ignore[arg-type]
    assert verdict_headline(default_protocol().criterion(key), verdict) == words  # type: ignore[arg-type]


def test_a_body_criterion_that_only_the_liver_answers_says_so(page: str) -> None:
    text = Text(page).text
    assert "Exclusion 6 cannot be decided from the liver alone" in text
    assert "In the liver alone: does not apply." in text


def test_what_comes_from_headers_and_readers_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    edits = ReaderEdits(
        reader=Reader(name=evil), lesions=(LesionEdit(label=2, comment=evil),), checklist={evil: True},
        verdicts=(VerdictEdit(criterion="EXC4", verdict="met", reason=evil),),
    )  # fmt: skip
    case = small_case(description=evil, edits=edits)
    study = case.score.study.model_copy(update={"study_description": evil})
    acquisition = case.score.acquisition.model_copy(
        update={"manufacturer": evil, "tracer": evil, "corrections": (evil,)}
    )
    score = case.score.model_copy(update={"study": study, "acquisition": acquisition})
    html = report_html(score, case.volumes, case.segmentations)
    assert "<script" not in html
    assert "<img src=x" not in html
    parsed = Text(html)
    assert not any("onerror" in attributes for _, attributes in parsed.tags)
    assert parsed.text.count("<script>alert(1)</script>") >= 8


def test_numbers_are_shown_with_their_units(page: str) -> None:
    text = Text(page).text
    case = small_case()
    assert f"Liver volume {case.score.liver.volume_ml:.0f} ml" in text
    fraction = case.score.burden.fraction
    assert fraction is not None
    assert f"Tumour burden {100 * fraction:.1f} %" in text
    assert f"interval {80 * fraction:.1f} to {120 * fraction:.1f} %" in text
    assert "limit 80 %" in text
    assert "21 × 18 mm (CT)" in text
    assert "5.00" in text and "SD 0.60, 3 cm sphere" in text


def test_caveats_are_sentences_grouped_by_what_they_limit(page: str) -> None:
    text = Text(page).text
    assert "Limits Exclusion 4, Inclusion 4 CT slices of 6.0 mm exceed 5 mm." in text
    assert "For information The body weight 70 kg was given by the user" in text


def test_provenance_names_series_masks_and_record(page: str) -> None:
    case, text = small_case(), Text(page).text
    assert case.score.record_id in text
    for word in ("1.2.3.10", "1.2.3.20", "ab" * 32, "cd" * 32, case.score.segmentation.masks[0].sha256, "numpy 2.0"):
        assert word in text


def test_every_picture_says_what_it_shows(page: str) -> None:
    images = [a for tag, a in Text(page).tags if tag == "img"]
    # Projections, six levels, two lesions, the distribution.
    assert len(images) == 1 + 6 + 2 + 1
    assert all(a.get("alt") for a in images)


def test_what_was_moved_is_said(page: str) -> None:
    assert "On PET the liver is displaced 6 mm caudally relative to CT" in Text(page).text
    assert "displaced" not in Text(render(small_case(shift=(0.0, 0.0, 0.0)))).text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ct": False}, "Liver on PET"),
        ({"liver": False}, "No liver outline: no liver was found."),
        ({"lesions": False}, "No lesions found."),
        ({"relative": True}, "No SUV: uptake is in relative units."),
        ({"ct": False, "liver": False, "lesions": False, "relative": True}, "Neither liver nor lesions were outlined."),
    ],
)
def test_a_study_that_lacks_something_still_reports(options, words: str) -> None:
    assert words in Text(render(small_case(**options))).text


def test_nothing_evaluable_and_no_reference() -> None:
    blank = {"verdict": "not_evaluable", "effect": "undecided", "liver_finding": None}
    case = small_case(liver=False, criteria=verdicts(**dict.fromkeys(("INC7", "EXC4", "INC4", "EXC6"), blank)),
                      references={}, flags=())  # fmt: skip
    no_lesions = replace(case, segmentations=replace(case.segmentations, lesions=None))
    score = score_for(
        no_lesions.volumes, no_lesions.segmentations, references={}, flags=(), criteria=case.score.criteria
    )
    text = Text(render(replace(no_lesions, score=score))).text
    assert text.count("not evaluable") >= 6
    assert "Lesions were not searched for" in text
    assert "Caveats None." in text


def test_a_readers_overrule_is_shown_with_what_the_images_had_proposed() -> None:
    decision = Decision(reader="Dr Who", role="radiologist", made_at=datetime(2024, 3, 5), reason="diffuse on MRI",
                        proposed="not_met")  # fmt: skip
    changed = {"EXC4": {"verdict": "met", "effect": "excludes", "status": "overruled", "decision": decision}}
    edits = ReaderEdits(reader=Reader(name="Dr Who"), rest_of_body=RestOfBody(lesions=False))
    text = Text(render(small_case(criteria=verdicts(**changed), edits=edits))).text
    assert "Exclusion 4 applies" in text
    assert "Overruled by Dr Who (radiologist, 2024-03-05) : diffuse on MRI" in text
    assert "Proposed from the images: does not apply." in text
    assert "lesions outside the liver: no" in text


def test_many_lesions_get_twelve_pictures_and_a_whole_table() -> None:
    case = small_case()
    layer = case.segmentations.lesions
    assert layer is not None
    array = np.zeros_like(layer.labels.array)
    for n in range(1, 15):
        array[12, 2 + 5 * ((n - 1) // 6), 2 + 5 * ((n - 1) % 6)] = n
    segmentations = replace(case.segmentations, lesions=replace(layer, labels=layer.labels.with_array(array)))
    lesions = tuple(
        lesion(n, (0, 0, 0), total_uptake=float(n), flags=(raise_flag("LESION_AT_LIVER_BORDER"),)) for n in range(1, 15)
    )
    score = score_for(case.volumes, segmentations, lesions=lesions)
    html = report_html(score, case.volumes, segmentations)
    text = Text(html).text
    assert "The 12 of 14 lesions with the highest total uptake" in text
    assert "Lesion 3 " in text and "Lesion 2 " not in text.split("SUVmax SUVpeak")[0].split("projections")[-1]
    assert html.count("<tr><td>") >= 14


def test_another_limit_of_the_protocol_moves_the_line() -> None:
    protocol = default_protocol().model_copy(update={"liver_involvement_limit": 0.65})
    assert "limit 65 %" in Text(render(small_case(config=ScoringConfig(protocol=protocol)))).text


def test_axes_turned_otherwise_give_the_same_pictures() -> None:
    from dotaliver.image.orientation import anatomical

    case = small_case(ct=False)
    pet = case.volumes.pet
    turned = replace(pet, voxels=pet.array[::-1, :, ::-1], geometry=replace(
        pet.geometry,
        origin_lps_mm=tuple(pet.geometry.index_to_lps((pet.array.shape[0] - 1, 0, pet.array.shape[2] - 1))),
        directions=((0, 0, -1), (0, 1, 0), (-1, 0, 0)),
    ))  # fmt: skip
    assert np.array_equal(anatomical(turned).array, anatomical(pet).array)
    other = replace(case, volumes=replace(case.volumes, pet=turned))
    pictures = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+")
    first, second = (pictures.findall(render(c)) for c in (case, other))
    assert first[0] == second[0]


def test_nothing_that_is_exported_has_a_place_for_the_patients_identity() -> None:
    """Report and table are made from the record alone, and the record has no such field."""
    schema = small_case().score.model_json_schema()
    fields = {name for model in (schema, *schema["$defs"].values()) for name in model.get("properties", {})}
    assert not {f for f in fields if re.search(r"patient_?(name|id\b)|birth|accession|referring|institution", f)}


@pytest.mark.parametrize(
    ("tracer", "title"),
    [
        ("Ga-68 DOTATATE", "Ga-68 DOTATATE PET/CT: liver score"),
        ("68Ga-DOTATATE", "68Ga-DOTATATE PET/CT: liver score"),
        ("Dotatate Ga^68^", ">68Ga-DOTATATE PET/CT: liver score"),
        ("Dotatate", "68Ga Dotatate PET/CT: liver score"),
        (None, ">68Ga PET/CT: liver score</h1>"),
    ],
)
def test_title_names_the_nuclide_once(tracer: str | None, title: str) -> None:
    case = small_case()
    acquisition = case.score.acquisition.model_copy(update={"tracer": tracer, "nuclide": "68Ga"})
    assert title in render(replace(case, score=case.score.model_copy(update={"acquisition": acquisition})))


def test_a_lesions_caveat_that_limits_an_answer_is_listed_with_the_lesion() -> None:
    """The card counts caveats "listed below": what it counts is there, also where only a lesion has the flag."""
    criteria = verdicts(INC7={"weakened_by": ("LESION_AT_LIVER_BORDER",), "evidence": {"lesion_label": 5}})
    flagged = (raise_flag("LESION_AT_LIVER_BORDER"),)
    case = small_case(criteria=criteria, flags=(), lesions=True)
    lesions = tuple(each.model_copy(update={"flags": flagged}) for each in case.score.lesions)
    text = Text(render(replace(case, score=case.score.model_copy(update={"lesions": lesions})))).text
    assert "Limited by 1 caveat, listed below." in text
    caveats = text.split("Caveats")[1].split("Evidence")[0]
    assert "Limits Inclusion 7 Lesion 5: The lesion" in caveats
    assert "LESION_AT_LIVER_BORDER" in caveats
    assert "Lesion 2" not in caveats


def test_reasons_that_end_with_a_full_stop_do_not_get_a_second_one() -> None:
    case = small_case(liver=False)
    burden = case.score.burden.model_copy(update={"reason": "The liver was not found: too noisy."})
    text = Text(render(replace(case, score=case.score.model_copy(update={"burden": burden})))).text
    assert "Not available: The liver was not found: too noisy." in text
    assert ".." not in text


def test_marks_have_a_column_where_there_are_any() -> None:
    case = small_case()
    assert "Marked as" not in Text(render(case)).text
    first, second = case.score.lesions
    marked = (first.model_copy(update={"marks": ("treated",)}), second)
    text = Text(render(replace(case, score=case.score.model_copy(update={"lesions": marked})))).text
    assert "To capsule (mm) Marked as" in text
    assert text.count("previously treated") == 2
