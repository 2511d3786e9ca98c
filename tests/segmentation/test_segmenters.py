"""Segmenters come in by entry point, ours like anybody's."""

import sys

import pytest

from dotaliver.errors import SegmenterError
from dotaliver.segmentation.petct import segment
from dotaliver.segmentation.segmenters import segmenter, segmenter_names


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with a segmenter and one that cannot be imported, as an installer would leave them."""
    (tmp_path / "fake_segmenter.py").write_text("def find(volumes, config):\n    return 'found'\n")
    info = tmp_path / "fake_segmenter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-segmenter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dotaliver.segmenters]\nfake = fake_segmenter:find\nbroken = no_such_module:find\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("fake_segmenter", None)


def test_ours_is_installed_like_any_other():
    assert "petct" in segmenter_names()
    assert segmenter("petct") is segment


def test_another_package_is_found_and_loaded_only_when_asked_for(installed):
    assert {"fake", "petct"} <= set(segmenter_names())
    assert "fake_segmenter" not in sys.modules
    assert segmenter("fake")(None, None) == "found"


def test_unknown_name_lists_what_there_is():
    with pytest.raises(SegmenterError, match=r"no segmenter 'nnunet'.*petct"):
        segmenter("nnunet")


def test_package_that_cannot_be_imported_is_named(installed):
    with pytest.raises(SegmenterError, match=r"'broken' \(no_such_module:find\) cannot be imported"):
        segmenter("broken")
