"""Masks as OME-Zarr lie where their axes say, and are refused where these leave it open."""

import json

import ngff_zarr
import numpy as np
import pytest
import zarr

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.reading import read_lesion_masks, read_mask
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError
from fixtures.dicom_series import write_study
from fixtures.masks import two_lesions

LPS = {"z": "inferior-to-superior", "y": "anterior-to-posterior", "x": "right-to-left"}
RAS = {"z": "inferior-to-superior", "y": "posterior-to-anterior", "x": "left-to-right"}


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "study"), ScoringConfig())


def axes_of(words, unit="millimeter"):
    return [
        {"name": n, "type": "space", "unit": unit, "orientation": {"type": "anatomical", "value": word}}
        for n, word in words.items()
    ]


def write_mask(folder, array, *, axes=None, scale=None, translation=None, version="0.5", **options):
    """A mask by zarr-python; scale and translation in the order of the axes."""
    image = {"axes": axes or axes_of(LPS), "datasets": [{"path": "s0", "coordinateTransformations": []}]}
    steps = image["datasets"][0]["coordinateTransformations"]
    steps += [] if scale is None else [{"type": "scale", "scale": list(scale)}]
    steps += [] if translation is None else [{"type": "translation", "translation": list(translation)}]
    if version == "0.5":
        attributes = {"ome": {"version": version, "multiscales": [image]}}
    else:
        attributes = {"multiscales": [{**image, "version": version}]}
    group = zarr.create_group(folder, zarr_format=3 if version == "0.5" else 2, attributes=attributes)
    options = {"chunks": (2, 3, 3), "config": {"write_empty_chunks": True}} | options
    group.create_array("s0", shape=array.shape, dtype=array.dtype, **options)[...] = array
    return folder


def on_pet(study, folder, array, **options):
    grid = study.pet.geometry
    x, y, z = grid.origin_lps_mm
    return write_mask(folder, array, **{"scale": grid.spacing_mm, "translation": (z, y, x)} | options)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_it_comes_back_equal_on_the_image_that_it_fits(tmp_path, study, version, dtype):
    labels = two_lesions(study.pet.array.shape)
    mask = read_mask(on_pet(study, tmp_path / "m.ome.zarr", labels.astype(dtype), version=version), study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert mask.labels.geometry == study.pet.geometry
    assert (mask.drawn_on, mask.origin) == ("pet", "OME-Zarr")


def test_axes_that_run_the_other_way_are_turned_back(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    grid = study.pet.geometry
    last = grid.index_to_lps(np.array(grid.shape) - 1)
    # x grows to the right and y to the front, from the voxel that lies furthest left and back
    place = (grid.origin_lps_mm[2], -last[1], -last[0])
    turned = np.ascontiguousarray(labels[:, ::-1, ::-1])
    folder = on_pet(study, tmp_path / "m.ome.zarr", turned, axes=axes_of(RAS), translation=place)
    np.testing.assert_array_equal(read_mask(folder, study, "lesions").labels.array, labels)


def test_axes_in_another_order_in_centimetres_beside_a_channel(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    grid = study.pet.geometry
    words = {"x": LPS["x"], "z": LPS["z"], "y": LPS["y"]}
    axes = [{"name": "c", "type": "channel"}, *axes_of(words, "centimeter")]
    z, y, x = grid.spacing_mm
    array = labels.transpose(2, 0, 1)[np.newaxis].astype(np.uint8)
    folder = write_mask(
        tmp_path / "m", array, axes=axes, scale=(1, x / 10, z / 10, y / 10),
        translation=(0, *(grid.origin_lps_mm[n] / 10 for n in (0, 2, 1))), chunks=(1, 2, 2, 2),
    )  # fmt: skip
    np.testing.assert_array_equal(read_mask(folder, study, "lesions").labels.array, labels)


def test_one_of_another_writer(tmp_path, study):
    labels = two_lesions(study.pet.array.shape).astype(np.uint8)
    grid = study.pet.geometry
    image = ngff_zarr.to_ngff_image(
        labels, dims=("z", "y", "x"), scale=dict(zip("zyx", grid.spacing_mm, strict=True)),
        translation=dict(zip("xyz", grid.origin_lps_mm, strict=True)), axes_units=dict.fromkeys("zyx", "millimeter"),
    )  # fmt: skip
    multiscales = ngff_zarr.to_multiscales(image, scale_factors=[], orientation="LPS")
    ngff_zarr.to_ngff_zarr(str(tmp_path / "m.ome.zarr"), multiscales, version="0.5")
    found = read_mask(tmp_path / "m.ome.zarr", study, "lesions")
    np.testing.assert_array_equal(found.labels.array, labels)


def test_it_is_found_in_a_folder_and_goes_with_others(tmp_path, study):
    labels = two_lesions(study.pet.array.shape).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    on_pet(study, tmp_path / "masks" / "a.zarr", np.where(labels == 2, labels, 0))
    on_pet(study, tmp_path / "masks" / "b.zarr", np.where(labels == 5, labels, 0))
    np.testing.assert_array_equal(read_lesion_masks([tmp_path / "masks"], study).labels.array, labels)
    with pytest.raises(MaskError, match="holds 2 mask files"):
        read_mask(tmp_path / "masks", study, "lesions")


def spoilt(change):
    """A change of the group's metadata."""

    def spoil(folder):
        data = json.loads((folder / "zarr.json").read_text())
        image = data["attributes"]["ome"]["multiscales"][0]
        change(image)
        (folder / "zarr.json").write_text(json.dumps(data))

    return spoil


def of_steps(change):
    return spoilt(lambda image: change(image["datasets"][0]["coordinateTransformations"]))


REFUSED = {
    "no orientation": (spoilt(lambda i: i["axes"][2].pop("orientation")), "does not say which side is left"),
    "an unknown orientation": (
        spoilt(lambda i: i["axes"][0]["orientation"].update(value="dorsal-to-ventral")),
        "does not say which side is left",
    ),
    "two axes along one": (
        spoilt(lambda i: i["axes"][0].update(orientation=i["axes"][1]["orientation"])), "orthogonal"),
    "no unit": (spoilt(lambda i: i["axes"][1].pop("unit")), "no unit of length"),
    "no translation": (of_steps(lambda steps: steps.pop()), "no translation"),
    "a rotation": (of_steps(lambda steps: steps.append({"type": "affine"})), "transformation of another kind"),
    "a place at infinity": (of_steps(lambda steps: steps[1].update(translation=[0, 0, float("inf")])), "finite"),
    "a negative scale": (of_steps(lambda steps: steps[0].update(scale=[-1, 1, 1])), "positive"),
    "an array elsewhere": (spoilt(lambda i: i["datasets"][0].update(path="../study")), "outside of it"),
    "an absolute array": (spoilt(lambda i: i["datasets"][0].update(path="/etc")), "outside of it"),
    "no array": (spoilt(lambda i: i["datasets"][0].update(path="s7")), "holds no Zarr array"),
    "no axes": (spoilt(lambda i: i.pop("axes")), "no OME-Zarr image"),
    "an unknown version": (lambda f: (f / "zarr.json").write_text(
        (f / "zarr.json").read_text().replace('"0.5"', '"9.1"')), "NGFF version 9.1"),
    "a missing chunk": (lambda f: (f / "s0" / "c" / "1" / "0" / "0").unlink(), "is missing"),
    "a missing chunk beside another file": (
        lambda f: (f / "s0" / "c" / "1" / "0" / "0").rename(f / "s0" / "c" / "x"), "is missing"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_leaves_it_open_is_refused_in_one_sentence(tmp_path, study, what):
    folder = on_pet(study, tmp_path / "m.ome.zarr", two_lesions(study.pet.array.shape).astype(np.uint8))
    spoil, words = REFUSED[what]
    spoil(folder)
    with pytest.raises(MaskError, match=r"^m\.ome\.zarr: ") as refusal:
        read_mask(folder, study, "lesions")
    assert words in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def test_two_channels_are_no_mask(tmp_path, study):
    array = np.ones((2, *study.pet.array.shape), np.uint8)
    axes = [{"name": "c", "type": "channel"}, *axes_of(LPS)]
    folder = write_mask(
        tmp_path / "m", array, axes=axes, scale=(1, 1, 1, 1), translation=(0, 0, 0, 0), chunks=(1, 2, 2, 2)
    )
    with pytest.raises(MaskError, match="are not a volume with one value per voxel"):
        read_mask(folder, study, "lesions")


def test_a_mask_too_large_for_a_scan_is_refused_before_it_is_read(tmp_path, study):
    folder = on_pet(study, tmp_path / "m", np.ones(study.pet.array.shape, np.uint8))
    path = folder / "s0" / "zarr.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"shape": [10_000, 10_000, 10_000]}))
    with pytest.raises(MaskError, match="10000 x 10000 x 10000 voxels are not a mask of a scan"):
        read_mask(folder, study, "lesions")
