"""The examples in the docstrings of the main functions run, as they stand, beside a phantom and its score."""

from __future__ import annotations

import doctest
import importlib
import shutil

import pytest

LIGHT = (
    "dotaliver.config.protocol",
    "dotaliver.image.geometry",
    "dotaliver.image.volume",
    "dotaliver.longitudinal.recist",
    "dotaliver.longitudinal.target_sizes",
    "dotaliver.measurement.diameters",
    "dotaliver.suv.arithmetic",
    "dotaliver.suv.body_size",
    "dotaliver.suv.decay",
)
WITH_A_STUDY = (
    "dotaliver.pipeline.opening",
    "dotaliver.pipeline.rescoring",
    "dotaliver.pipeline.run",
    "dotaliver.pipeline.score_labels",
)
# The functions and types of the main entry; each has an example of its own
EXEMPLIFIED = {
    "dotaliver.pipeline.opening": {"open_study"},
    "dotaliver.pipeline.rescoring": {"rescore"},
    "dotaliver.pipeline.run": {"segment_study", "score_study", "save"},
    "dotaliver.pipeline.score_labels": {"score_labels"},
    "dotaliver.image.geometry": {"Geometry"},
    "dotaliver.image.volume": {"Volume", "LabelMap"},
    "dotaliver.measurement.diameters": {"longest_diameter"},
    "dotaliver.longitudinal.recist": {"target_response", "non_target_response", "overall_response"},
    "dotaliver.longitudinal.target_sizes": {"target_sum"},
    "dotaliver.suv.arithmetic": {"suvbw_arithmetic"},
    "dotaliver.suv.decay": {"decay_factor", "average_decay_during_frame"},
}


def examples(name: str) -> list[doctest.DocTest]:
    """The examples in the docstrings of a module."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


def run(name: str, tests: list[doctest.DocTest]) -> set[str]:
    """Run examples of a module; which of its objects have some."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    return {test.name.removeprefix(f"{name}.") for test in tests}


@pytest.mark.parametrize("name", LIGHT)
def test_examples(name):
    assert run(name, examples(name)) >= EXEMPLIFIED.get(name, set())


@pytest.mark.parametrize("name", WITH_A_STUDY)
def test_examples_with_a_study(name, phantom, scored, tmp_path, monkeypatch, request):
    tests = examples(name)
    # Only now, for it exchanges functions of these modules
    request.getfixturevalue("masks_only")
    (tmp_path / "phantom").symlink_to(phantom)
    shutil.copytree(scored, tmp_path / "score")
    monkeypatch.chdir(tmp_path)
    assert run(name, tests) >= EXEMPLIFIED[name]
