"""No rule of CT densities ever looks at an MR: every consumer of the image that diameters are measured on is known."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dotaliver
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError, QuantityError
from dotaliver.image.mr_registration import register_mr
from dotaliver.image.registration import register_cts
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.clicked_lesions import click_site
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.lesions.ct_outlines import outline_lesions_on_ct
from dotaliver.segmentation.lesions_on_ct import view_of_lesions
from dotaliver.segmentation.liver.outline import outline_on_ct
from dotaliver.segmentation.recist_mr import measures_on_mr
from fixtures.arrays import grid as grid_of
from fixtures.scores import small_case

SOURCE = Path(dotaliver.__file__).parent
# What each module does with the voxels of the image that diameters are measured on. A new consumer belongs here, with
# what it does where that image is an MR.
CONSUMERS = {
    "dicom/recist_image.py": "reads it",
    "export/deidentify/objects.py": "moves it to another frame of reference UID",
    "export/dicom/seg.py": "its grid",
    "export/dicom/segments.py": "whether outlines lie on it",
    "export/dicom/sr.py": "its grid",
    "export/report/compose.py": "hands an MR to mr_pictures",
    "export/response/lesion_views.py": "a picture, windowed by its quantity",
    "measurement/lesions.py": "whether there is one",
    "measurement/statements_on_images.py": "its grid",
    "pipeline/stored_score.py": "outlines on CT that were stored, of which an MR has none",
    "segmentation/body_lesions_on_ct.py": "whether there is one: then nothing is measured on the PET's CT",
    "segmentation/clicked_lesions.py": "its grid; an MR goes to clicks_on_mr",
    "segmentation/clicks_on_mr.py": "scales an MR by its liver, without any rule of densities",
    "segmentation/lesions_on_ct.py": "leaves where it is an MR (measures_on_mr)",
    "segmentation/organs_and_ct_foci.py": "searches a second phase where it is in HU",
    "segmentation/recist_ct.py": "registers a CT, which nobody asks of an MR",
    "segmentation/recist_mr.py": "registers an MR",
}


def uses(path: Path) -> bool:
    """Whether a module reads `recist_image` of the study's volumes, and not of a record or of options."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr == "recist_image":
            of = ast.unparse(node.value)
            if of.endswith("volumes"):
                return True
        if isinstance(node, ast.Call) and ast.unparse(node).startswith("getattr(volumes, name"):
            return True
    return "recist_image=image" in path.read_text()


def test_every_consumer_of_the_measured_image_is_known():
    found = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if uses(path)}
    assert found - {"records/study.py"} == set(CONSUMERS)


@pytest.fixture
def mr() -> Volume:
    grid = grid_of((8, 20, 20), (4.0, 2.0, 2.0), (-20.0, -20.0, 0.0))
    return Volume(np.full(grid.shape, 60, np.float32), grid, Quantity.MR_SIGNAL)


def test_rules_of_density_refuse_an_mr(mr):
    config, liver = ScoringConfig(), np.ones(mr.geometry.shape, dtype=bool)
    labels = LabelMap(np.ones(mr.geometry.shape, np.uint16), mr.geometry)
    for rule in (
        lambda: outline_lesions_on_ct(mr, labels, liver, config.ct_lesions, frozenset({1})),
        lambda: find_ct_foci(mr, labels, None, config.ct_foci),
        lambda: outline_on_ct(mr, mr, 60.0, config.liver),
        lambda: register_cts(mr, mr, liver),
        lambda: register_mr(mr.with_array(mr.array, Quantity.HU), mr, liver),
    ):
        with pytest.raises(QuantityError):
            rule()


def test_no_outline_is_looked_for_on_mr(mr):
    case = small_case()
    on_mr = replace(case.volumes, recist_image=mr)
    assert measures_on_mr(on_mr)
    assert view_of_lesions(on_mr, case.segmentations, ScoringConfig()) is None
    assert not measures_on_mr(replace(case.volumes, recist_image=mr.with_array(mr.array, Quantity.HU)))


def test_a_click_on_an_mr_that_was_not_registered_is_refused(mr):
    case = small_case()
    with pytest.raises(ConfigError, match="was not registered to a liver"):
        click_site(replace(case.volumes, recist_image=mr), case.segmentations, ScoringConfig())


def test_an_mr_can_never_stand_for_the_ct(mr):
    with pytest.raises(QuantityError):
        replace(small_case().volumes, ct=mr)
