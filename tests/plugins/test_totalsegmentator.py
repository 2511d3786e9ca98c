"""The TotalSegmentator plugin, against a stand-in with the real function's signature (version 2.18)."""

# ruff: noqa: ARG002 -- the stand-in has the real function's arguments

import json
import os
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import SegmenterError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.study import Acquisition, SeriesIdentity, StudyIdentity, StudyVolumes

FOLDER = Path(__file__).parents[2] / "plugins" / "dotaliver-totalsegmentator"
WEIGHTS = "Dataset297_TotalSegmentator_total_3mm_1559subj"
# Turned and uneven, so that a swapped or flipped axis shows.
GRID = Geometry(
    (20, 30, 40), (100.0, -80.0, 15.0), (5.0, 4.0, 3.0), ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))
)


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER / "src")
    return import_module("dotaliver_totalsegmentator")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    model = tmp_path / "weights" / WEIGHTS / "nnUNetTrainer" / "fold_0"
    model.mkdir(parents=True)
    (model / "checkpoint_final.pth").write_bytes(b"")
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "weights"))
    monkeypatch.delenv("TOTALSEG_HOME_DIR", raising=False)
    return tmp_path / "weights"


def volumes(ct=True) -> StudyVolumes:
    hu = np.full(GRID.shape, -100, dtype=np.int16)
    hu[5:15, 6:24, 8:33] = 60
    hu[16, 2, 3], hu[3, 27, 36], hu[3, 27, 37] = 120, 180, 181
    series = {"shape": GRID.shape, "spacing_mm": GRID.spacing_mm, "sop_instance_uids": (), "pixel_sha256": "0"}
    pet = SeriesIdentity(modality="PT", series_instance_uid="1.2", chosen_because="only", **series)
    identity = StudyIdentity(study_instance_uid="1.1", pet=pet)
    uptake = Volume(np.ones(GRID.shape, dtype=np.float32), GRID, Quantity.SUVBW)
    return StudyVolumes(uptake, Volume(hu, GRID, Quantity.HU) if ct else None, identity, Acquisition(), None)


class StandIn:
    """`totalsegmentator.python_api.totalsegmentator` as version 2.18 declares it; labels by density."""

    def __init__(self, fails=None, moved=False):
        self.fails, self.moved, self.seen = fails, moved, {}

    def totalsegmentator(
        self, input, output=None, ml=False, nr_thr_resamp=1, nr_thr_saving=6, fast=False, nora_tag="None",
        preview=False, task="total", roi_subset=None, statistics=False, radiomics=False, crop_path=None,
        body_seg=False, force_split=False, output_type="nifti", quiet=False, verbose=False, test=0,
        skip_saving=False, device="gpu", license_number=None, statistics_exclude_masks_at_border=True,
        no_derived_masks=False, v1_order=False, fastest=False, roi_subset_robust=None, stats_aggregation="mean",
        remove_small_blobs=False, statistics_normalized_intensities=False, robust_crop=False,
        higher_order_resampling_LEGACY=False, higher_order_resampling=False, save_probabilities=None, debug=False,
        report=None, statistics_extra=False, save_lowres=False, resampling_order=1, plans="nnUNetPlans",
        model_size="big",
    ):  # fmt: skip
        home = Path(os.environ["TOTALSEG_HOME_DIR"])
        self.seen = {
            "settings": json.loads((home / "config.json").read_text()),
            "home": home,
            "weights": os.environ["TOTALSEG_WEIGHTS_PATH"],
            "how": (ml, task, fast, device, output),
        }
        if self.fails is not None:
            raise self.fails
        hu = np.asarray(input.dataobj)
        labels = np.select([hu == 60, hu == 120, hu == 180, hu == 181], [5, 1, 2, 3], 0).astype(np.uint8)
        affine = input.affine.copy()
        affine[0, 3] += 10.0 if self.moved else 0.0
        return nibabel.Nifti1Image(labels, affine)


def install(monkeypatch, stand_in) -> StandIn:
    api = ModuleType("totalsegmentator.python_api")
    api.totalsegmentator = stand_in.totalsegmentator
    package = ModuleType("totalsegmentator")
    package.python_api = api
    monkeypatch.setitem(sys.modules, "totalsegmentator", package)
    monkeypatch.setitem(sys.modules, "totalsegmentator.python_api", api)
    return stand_in


def test_liver_spleen_and_kidneys_lie_where_the_ct_shows_them(plugin, weights, monkeypatch):
    stand_in = install(monkeypatch, StandIn())
    study = volumes()
    found = plugin.segment(study, ScoringConfig.model_validate({"liver": {"minimum_ml": 10}}))
    assert (found.liver.labels.mask == (study.ct.array == 60)).all()
    assert found.liver.labels.geometry == study.ct.geometry
    assert found.liver.drawn_on == "ct"
    assert np.argwhere(found.neighbours["spleen"].labels.mask).tolist() == [[16, 2, 3]]
    assert np.argwhere(found.neighbours["kidneys"].labels.mask).tolist() == [[3, 27, 36], [3, 27, 37]]
    assert [flag.code for flag in found.flags] == ["LIVER_FROM_CT_ALONE"]
    assert stand_in.seen["how"] == (True, "total", True, "cpu", None)


def test_the_image_it_is_given_has_the_place_of_the_ct(plugin, weights, monkeypatch):
    study, given = volumes(), []
    stand_in = install(monkeypatch, StandIn())
    monkeypatch.setattr(
        sys.modules["totalsegmentator.python_api"],
        "totalsegmentator",
        lambda image, *a, **k: given.append(image) or stand_in.totalsegmentator(image, *a, **k),
    )
    plugin.segment(study, ScoringConfig())
    index = np.array([16, 2, 3])
    world_ras = given[0].affine @ [*index[::-1], 1.0]
    assert world_ras[:3] * [-1, -1, 1] == pytest.approx(study.ct.geometry.index_to_lps(index))
    assert given[0].dataobj[tuple(index[::-1])] == 120


def test_statistics_are_off_and_the_users_settings_untouched(plugin, weights, monkeypatch, tmp_path):
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "home"))
    before = dict(os.environ)
    stand_in = install(monkeypatch, StandIn())
    plugin.segment(volumes(), ScoringConfig())
    assert stand_in.seen["settings"]["send_usage_stats"] is False
    assert stand_in.seen["weights"] == str(weights)
    assert stand_in.seen["home"] != tmp_path / "home"
    assert not stand_in.seen["home"].exists()
    assert not (tmp_path / "home").exists()
    assert dict(os.environ) == before


@pytest.mark.parametrize("variable", ["TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR"])
def test_missing_weights_are_told_before_anything_is_called(plugin, weights, monkeypatch, tmp_path, variable):
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH")
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    stand_in = install(monkeypatch, StandIn())
    with pytest.raises(SegmenterError, match=r"weights are not in .*nowhere.*totalseg_download_weights"):
        plugin.segment(volumes(), ScoringConfig())
    assert stand_in.seen == {}


def test_an_empty_weights_folder_is_no_weights(plugin, weights, monkeypatch):
    next(weights.rglob("checkpoint_final.pth")).unlink()
    with pytest.raises(SegmenterError, match="is missing"):
        plugin.segment(volumes(), ScoringConfig())


def test_a_missing_package_is_told(plugin, weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "totalsegmentator", None)
    monkeypatch.setitem(sys.modules, "totalsegmentator.python_api", None)
    with pytest.raises(SegmenterError, match=r"cannot be imported.*pip install .*TotalSegmentator"):
        plugin.segment(volumes(), ScoringConfig())


@pytest.mark.parametrize("fault", [RuntimeError("out of memory"), SystemExit(1)])
def test_a_failure_is_one_error_and_the_environment_is_put_back(plugin, weights, monkeypatch, fault):
    before = dict(os.environ)
    install(monkeypatch, StandIn(fails=fault))
    with pytest.raises(SegmenterError, match="TotalSegmentator failed"):
        plugin.segment(volumes(), ScoringConfig())
    assert dict(os.environ) == before


def test_labels_on_another_grid_are_refused(plugin, weights, monkeypatch):
    install(monkeypatch, StandIn(moved=True))
    with pytest.raises(SegmenterError, match="do not lie on the CT's grid"):
        plugin.segment(volumes(), ScoringConfig())


def test_no_ct_and_no_plausible_liver_give_a_reason(plugin, weights, monkeypatch):
    install(monkeypatch, StandIn())
    assert "there is none" in plugin.segment(volumes(ct=False), ScoringConfig()).reasons["liver"]
    small = plugin.segment(volumes(), ScoringConfig.model_validate({"liver": {"minimum_ml": 3000}}))
    assert small.liver is None
    assert "which no liver does" in small.reasons["liver"]


def test_it_comes_through_the_entry_point(plugin):
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["dotaliver.segmenters"]["totalsegmentator"]
    module, function = named.split(":")
    assert getattr(import_module(module), function) is plugin.segment
