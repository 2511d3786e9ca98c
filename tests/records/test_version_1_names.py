"""Names that records and local files had before diameters could be measured on MR."""

from __future__ import annotations

import json
from pathlib import Path

from dotaliver.records.score_folder import LocalPaths
from dotaliver.records.version_1 import as_version_2

GOLDEN = Path(__file__).parent / "golden/version_1/score.json"


def test_the_diagnostic_ct_of_an_old_record_is_its_recist_image():
    data = json.loads(GOLDEN.read_text())
    data["study"]["recist_ct"] = {"modality": "CT"}
    flag = {"code": "RECIST_CT_REGISTERED", "sentence": "as it was written", "weakens": ["INC4"]}
    data["segmentation"]["flags"].append(flag)
    now = as_version_2(data)
    assert now["study"]["recist_image"] == {"modality": "CT"}
    assert "recist_ct" not in now["study"]
    assert now["segmentation"]["flags"][-1] == {**flag, "code": "RECIST_IMAGE_REGISTERED"}


def test_local_paths_are_read_under_the_old_name_too():
    old = LocalPaths.model_validate({"study": "folder", "pet": "1", "recist_ct": "77"})
    assert old.recist_image == "77"
    assert LocalPaths.model_validate_json(old.model_dump_json()) == old
