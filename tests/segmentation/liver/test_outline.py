"""The outline lies where half of a voxel is liver, beside thin fat and around dense tumours too."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.backends import LazyBoxes
from dotaliver.image.blocks import memory_bound
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import resample
from dotaliver.image.morphology import opened
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.liver.outline import outline_on_ct

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((50, 70, 70), (0.0, 0.0, 0.0), (3.0, 2.0, 2.0), AXIAL)
COARSE = Geometry((37, 35, 35), (1.0, 1.0, 1.0), (4.0, 4.0, 4.0), AXIAL)
MIDDLE = np.array(GRID.centre_lps_mm)
LIVER_HU, FAT_HU, MUSCLE_HU = 60.0, -100.0, 55.0
RADIUS_MM = 45.0


def distance_mm(grid):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    return np.linalg.norm(grid.index_to_lps(index) - MIDDLE, axis=-1)


def outline(hu):
    ct = Volume(gaussian_filter(hu, (0.0, 0.3, 0.3)).astype(np.float32), GRID, Quantity.HU)
    likely = 1 / (1 + np.exp((distance_mm(COARSE) - RADIUS_MM) / 2.0))
    probability = Volume(likely.astype(np.float32), COARSE, Quantity.PROBABILITY)
    return outline_on_ct(ct, probability, LIVER_HU, LiverConfig())


def volume_error(mask):
    return mask.sum() * GRID.voxel_volume_ml / (4 / 3 * np.pi * RADIUS_MM**3 / 1000) - 1


def ball_hu(outside):
    share = np.clip(0.5 - (distance_mm(GRID) - RADIUS_MM) / 2.0, 0, 1)
    return outside + share * (LIVER_HU - outside)


# 1 mm of radius is 6.7 % of this volume; behind fat as thin as one voxel the border is held to 1.3 mm
@pytest.mark.parametrize(("fat_mm", "error"), [(3.0, 0.09), (6.0, 0.04), (100.0, 0.04)])
def test_volume_of_a_ball_behind_a_layer_of_fat(fat_mm, error):
    layer = np.where(distance_mm(GRID) < RADIUS_MM + fat_mm, FAT_HU, MUSCLE_HU)
    mask = outline(ball_hu(layer))
    assert abs(volume_error(mask)) < error
    assert not mask[distance_mm(GRID) > RADIUS_MM + 3.0].any()


@pytest.mark.parametrize("fat_mm", [0.0, 4.0])
def test_muscle_between_liver_and_fat_is_no_mixture_of_both(fat_mm):
    """Less dense than liver with contrast agent and denser than halfway to fat, though the coarse step takes it in."""
    muscle = (distance_mm(GRID) >= RADIUS_MM + fat_mm) & (distance_mm(GRID) < RADIUS_MM + fat_mm + 12.0)
    hu = np.where(distance_mm(GRID) < RADIUS_MM, 110.0, np.where(muscle, MUSCLE_HU, FAT_HU))
    ct = Volume(gaussian_filter(hu, (0.0, 0.3, 0.3)).astype(np.float32), GRID, Quantity.HU)
    likely = 1 / (1 + np.exp((distance_mm(COARSE) - RADIUS_MM - 1.5) / 2.0))
    mask = outline_on_ct(ct, Volume(likely.astype(np.float32), COARSE, Quantity.PROBABILITY), 110.0, LiverConfig())
    assert mask[muscle].mean() < 0.1
    assert abs(volume_error(mask)) < 0.06


@pytest.mark.parametrize("bias_mm", [-1.5, 0.0])
def test_beside_lung_the_density_holds_the_border_where_the_coarse_step_is_too_far_in(bias_mm):
    ct = Volume(ball_hu(np.full(GRID.shape, -800.0)).astype(np.float32), GRID, Quantity.HU)
    likely = 1 / (1 + np.exp((distance_mm(COARSE) - RADIUS_MM - bias_mm) / 2.0))
    mask = outline_on_ct(ct, Volume(likely.astype(np.float32), COARSE, Quantity.PROBABILITY), LIVER_HU, LiverConfig())
    # Drawn outlines leave out what lung darkens: up to 1 mm
    assert -0.067 < volume_error(mask) < 0.02


@pytest.mark.parametrize(("spacing_mm", "likely", "kept"), [(1.5, 0.3, True), (3.0, 0.3, False), (3.0, 0.9, True)])
def test_of_a_sheet_thinner_than_an_opening_an_edge_of_large_voxels_is_kept_where_liver_is_likely(
    spacing_mm, likely, kept
):
    """A ball of 20 mm with a sheet of two voxels around its equator, like a lobe's edge or a layer of muscle."""
    size = round(72.0 / spacing_mm)
    grid = Geometry((size,) * 3, (0.0, 0.0, 0.0), (spacing_mm,) * 3, AXIAL)

    def liver(of, half_mm):
        middle = np.array(grid.centre_lps_mm)
        x, y, z = np.moveaxis(of.index_to_lps(np.moveaxis(np.indices(of.shape), 0, -1)) - middle, -1, 0)
        radius = np.hypot(x, y)
        return (np.hypot(radius, z) < 20.0) | ((radius < 30.0) & (np.abs(z) < half_mm))

    coarse = Geometry((18,) * 3, (0.0, 0.0, 0.0), (4.0,) * 3, AXIAL)
    ct = Volume(np.where(liver(grid, spacing_mm), LIVER_HU, FAT_HU).astype(np.float32), grid, Quantity.HU)
    place = np.where(liver(coarse, 0.0), 0.9, np.where(liver(coarse, 5.0), likely, 0.01)).astype(np.float32)
    probability = Volume(place, coarse, Quantity.PROBABILITY)
    mask = outline_on_ct(ct, probability, LIVER_HU, LiverConfig())
    # At the ball itself the probability passes over into that of the sheet
    edge = mask & ~opened(mask) & (resample(probability, grid).array < likely + 0.2)
    assert mask.any()
    assert edge.any() == kept


@pytest.mark.parametrize(("sure_mm", "kept"), [(9.0, True), (0.0, False)])
def test_a_flat_lobe_of_which_only_the_middle_is_sure_is_kept(sure_mm, kept):
    """A plate of 12 mm (about 40 ml) 12 mm behind the ball; its middle of 4 ml is a tenth of it."""

    def plate(grid, half_mm, thickness_mm):
        x, y, z = np.moveaxis(grid.index_to_lps(np.moveaxis(np.indices(grid.shape), 0, -1)) - MIDDLE, -1, 0)
        return (np.abs(y - 48.0) < thickness_mm / 2) & (np.abs(x) < half_mm) & (np.abs(z) < half_mm)

    ball = distance_mm(GRID) < 30.0
    hu = np.where(ball | plate(GRID, 30.0, 12.0), LIVER_HU, FAT_HU)
    likely = np.where(distance_mm(COARSE) < 30.0, 0.99, 0.01)
    likely[plate(COARSE, 30.0, 12.0)] = 0.7
    if sure_mm:
        likely[plate(COARSE, sure_mm, 12.0)] = 1.0
    ct = Volume(gaussian_filter(hu, (0.0, 0.3, 0.3)).astype(np.float32), GRID, Quantity.HU)
    probability = Volume(likely.astype(np.float32), COARSE, Quantity.PROBABILITY)
    mask = outline_on_ct(ct, probability, LIVER_HU, LiverConfig())
    assert mask[ball].mean() > 0.9
    assert (mask[plate(GRID, 26.0, 8.0)].mean() > 0.9) == kept


def test_a_calcified_tumour_leaves_no_hole():
    hu = ball_hu(np.full(GRID.shape, FAT_HU))
    tumour = (
        np.linalg.norm(np.moveaxis(np.indices(GRID.shape), 0, -1) * GRID.spacing_mm - MIDDLE[::-1] - 15, axis=-1) < 12
    )
    hu[tumour] = 500.0
    mask = outline(hu)
    assert mask[tumour].all()
    assert abs(volume_error(mask)) < 0.04


@pytest.fixture(scope="module")
def noisy():
    return ball_hu(np.where(distance_mm(GRID) < RADIUS_MM + 6.0, FAT_HU, MUSCLE_HU)) + np.random.default_rng(5).normal(
        0, 12, GRID.shape
    )


@pytest.mark.parametrize("memory_bytes", [1, 3 << 20, 12 << 20])
def test_the_outline_is_the_same_however_small_the_pieces_are(noisy, memory_bytes):
    whole = outline(noisy)
    with memory_bound(memory_bytes):
        np.testing.assert_array_equal(outline(noisy), whole)
    assert 300e3 < whole.sum() * np.prod(GRID.spacing_mm) < 450e3


def test_the_density_of_each_slice_is_made_once(noisy):
    read = []
    ct = Volume(noisy.astype(np.float32), GRID, Quantity.HU)

    def counted(box):
        read.append(box[0].stop - box[0].start)
        return ct.array[box]

    likely = 1 / (1 + np.exp((distance_mm(COARSE) - RADIUS_MM) / 2.0))
    probability = Volume(likely.astype(np.float32), COARSE, Quantity.PROBABILITY)
    lazy = Volume(LazyBoxes(counted, GRID.shape, np.float32), GRID, Quantity.HU)
    with memory_bound(12 << 20):
        np.testing.assert_array_equal(
            outline_on_ct(lazy, probability, LIVER_HU, LiverConfig()),
            outline_on_ct(ct, probability, LIVER_HU, LiverConfig()),
        )
    # Slabs of 16 slices with one on either side
    assert sum(read) <= GRID.shape[0] + 2 * 3
