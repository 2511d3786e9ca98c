"""What the tests' shared outlines go by: nothing that an outline depends on may be missing from it."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import MaskLayer, Segmentations
from fixtures.outlining import WatchedConfig, fingerprint

GRID = Geometry((2, 3, 4), (0.0, 0.0, 0.0), (5.0, 4.0, 4.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))


def image(value: float = 5.0, grid: Geometry = GRID) -> Volume:
    voxels = np.full(grid.shape, 5.0, np.float32)
    voxels[-1, -1, -1] = value
    return Volume(voxels, grid, Quantity.SUVBW)


def masks(label: int = 1, **values) -> Segmentations:
    layer = MaskLayer(LabelMap(np.full(GRID.shape, label, np.uint8), GRID), "pet", "NIfTI", 1.0)
    return Segmentations("imported", liver=layer, lesions=None, **values)


def test_the_same_content_has_the_same_fingerprint():
    one, two = ((image(), ScoringConfig(), masks(), False) for _ in range(2))
    assert fingerprint(one) == fingerprint(two)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (image(), image(5.0000005)),
        (image(), image(grid=replace(GRID, origin_lps_mm=(0.0, 0.0, 0.1)))),
        (image(), image().with_array(image().array.astype(np.float64))),
        (ScoringConfig(), ScoringConfig(segmenter="another")),
        (masks(), masks(2)),
        (masks(), masks(reasons={"spleen": "not found"})),
        (masks(reasons={"a": "b"}), masks(reasons={"b": "a"})),
        (("a", "b"), ("ab",)),
        ((1, True), (1, 1)),
        (None, ()),
    ],
)
def test_any_difference_gives_another(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_what_it_does_not_know_is_refused():
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint({1, 2})


EVERY = set(ScoringConfig.model_fields)


@pytest.mark.parametrize(
    ("look", "names"),
    [
        (lambda config: config.liver.minimum_ml, {"liver"}),
        (lambda config: (config.segmenter, getattr(config, "peak")), {"segmenter", "peak"}),  # noqa: B009
        (lambda config: isinstance(config, ScoringConfig), set()),
        (lambda config: config.sha256(), EVERY),
        (lambda config: config.model_dump(), EVERY),
        (lambda config: config.model_copy(update={"segmenter": "another"}), EVERY),
        (lambda config: config == ScoringConfig(), EVERY),
        (lambda config: ScoringConfig() == config, EVERY),
        (dict, EVERY),
        (repr, EVERY),
        (vars, EVERY),
        (pickle.dumps, EVERY),
        (copy.copy, EVERY),
        (copy.deepcopy, EVERY),
        (ScoringConfig.model_dump_json, EVERY),
    ],
)
def test_settings_that_are_looked_at_are_noted(look, names):
    watched = WatchedConfig(ScoringConfig())
    look(watched.config)
    assert watched.names == names


def test_watched_settings_are_the_settings():
    config = ScoringConfig(segmenter="another")
    watched = WatchedConfig(config).config
    assert pickle.loads(pickle.dumps(watched)) == config
    assert watched.sha256() == config.sha256()
