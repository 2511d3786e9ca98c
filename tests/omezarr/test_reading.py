"""Voxels come out as zarr-python wrote them, whatever the layout; what is missing, damaged or impossible is refused."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from dotaliver.errors import FileFormatError
from dotaliver.omezarr.reading import StoredArray
from strategies import blocks, boxes_in, shapes

DTYPES = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32"]
ALL = {"write_empty_chunks": True}
CODECS_V3 = {
    "none": None,
    "blosc lz4": BloscCodec(cname="lz4", shuffle="bitshuffle"),
    "blosc zstd": BloscCodec(cname="zstd", shuffle="shuffle"),
    "zstd": ZstdCodec(),
    "gzip": GzipCodec(),
    "checksum outside": [ZstdCodec(), Crc32cCodec()],
    "checksum inside": [Crc32cCodec(), ZstdCodec()],
    "checksum alone": [Crc32cCodec()],
}
CODECS_V2 = {
    "none": None,
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
    "zstd": {"id": "zstd", "level": 1},
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
    "lz4": {"id": "lz4", "acceleration": 1},
}


def voxels(shape, dtype="int16"):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def whole(array):
    return tuple(slice(0, n) for n in array.shape)


def opened(folder):
    return StoredArray(folder, folder)


def written(folder, array, **options):
    options = {"chunks": (2, 3, 4), "config": ALL} | options
    zarr.create_array(folder, shape=array.shape, dtype=array.dtype, **options)[...] = array
    return folder


def metadata(folder, change):
    path = folder / "zarr.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_type(tmp_path, dtype, zarr_format):
    array = voxels((5, 7, 6), dtype)
    found = opened(written(tmp_path, array, zarr_format=zarr_format)).read(whole(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("codec", CODECS_V3)
@pytest.mark.parametrize("shards", [None, (4, 6, 8)])
def test_every_codec_of_version_3_in_chunks_and_shards(tmp_path, codec, shards):
    array = voxels((5, 7, 6))
    array[:4] = 0
    written(tmp_path, array, compressors=CODECS_V3[codec], shards=shards)
    np.testing.assert_array_equal(opened(tmp_path).read(whole(array)), array)


@pytest.mark.parametrize("codec", CODECS_V2)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_codec_of_version_2(tmp_path, codec, order):
    array = voxels((5, 7, 6))
    written(tmp_path, array, zarr_format=2, compressors=CODECS_V2[codec], order=order)
    np.testing.assert_array_equal(opened(tmp_path).read(whole(array)), array)


@pytest.mark.parametrize(
    "options", [{"serializer": BytesCodec(endian="big")}, {"filters": TransposeCodec(order=(2, 0, 1))}]
)
def test_byte_order_and_axes_in_another_order(tmp_path, options):
    array = voxels((5, 7, 6), "int32")
    np.testing.assert_array_equal(opened(written(tmp_path, array, **options)).read(whole(array)), array)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_box_of_any_chunking(tmp_path_factory, data):
    shape, chunks = data.draw(shapes), data.draw(blocks)
    array = voxels(shape)
    folder = written(tmp_path_factory.mktemp("z"), array, chunks=chunks)
    box = data.draw(boxes_in(shape))
    stored = opened(folder)
    np.testing.assert_array_equal(stored.read(box), array[box])
    out = np.empty(shape[1:], array.dtype)
    k = data.draw(st.integers(0, shape[0] - 1))
    stored.fill_plane(k, out)
    np.testing.assert_array_equal(out, array[k])


# --- what must not pass for zeros --------------------------------------------------------------------------------


def test_a_missing_file_is_damage(tmp_path):
    array = voxels((5, 7, 6))
    written(tmp_path, array)
    (tmp_path / "c" / "1" / "0" / "1").unlink()
    assert zarr.open_array(tmp_path, mode="r")[2, 0, 4] == 0  # what zarr makes of it
    with pytest.raises(FileFormatError, match=r"file of voxels c/1/0/1 is missing"):
        opened(tmp_path).read(whole(array))
    with pytest.raises(FileFormatError, match=r"missing|at most are there"):
        opened(tmp_path).refuse_incomplete()


@pytest.mark.parametrize("shards", [None, (4, 6, 8)])
def test_chunks_of_background_that_a_writer_left_out_are_missing_too(tmp_path, shards):
    array = voxels((5, 7, 6))
    array[2:4, :3, :4] = 0
    written(tmp_path, array, shards=shards, config=None)
    with pytest.raises(FileFormatError, match=r"missing|at most are there"):
        opened(tmp_path).refuse_incomplete()
    with pytest.raises(FileFormatError, match="missing"):
        opened(tmp_path).read(whole(array))


def test_a_complete_array_is_complete(tmp_path):
    opened(written(tmp_path, voxels((5, 7, 6)) * 0, shards=(4, 6, 8))).refuse_incomplete()


@pytest.mark.parametrize("codec", ["blosc lz4", "zstd", "gzip", "none", "checksum alone"])
@pytest.mark.parametrize("cut", [0, 1, 20])
def test_a_chunk_that_is_cut_short_is_damage(tmp_path, codec, cut):
    array = voxels((2, 3, 4))
    written(tmp_path, array, compressors=CODECS_V3[codec])
    chunk = tmp_path / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:cut])
    with pytest.raises(FileFormatError, match=r"chunk 0/0/0 is damaged"):
        opened(tmp_path).read(whole(array))


def test_a_changed_byte_under_a_checksum_is_damage(tmp_path):
    array = voxels((4, 3, 4))
    written(tmp_path, array, shards=(4, 3, 4))
    shard = tmp_path / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[-6] ^= 1  # in the index
    shard.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"shard 0/0/0 is damaged \(the checksum does not fit\)"):
        opened(tmp_path).read(whole(array))


# --- what is not trusted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["blosc lz4", "zstd", "gzip"])
def test_a_chunk_that_unpacks_to_more_than_its_size_is_damage(tmp_path, codec):
    """A few bytes that would become 64 MiB: no more memory is taken than the chunk has."""
    bomb = tmp_path / "bomb"
    written(bomb, np.zeros((1, 1, 64 << 20), np.uint8), chunks=(1, 1, 64 << 20), compressors=CODECS_V3[codec])
    small = written(tmp_path / "small", voxels((2, 3, 4)), compressors=CODECS_V3[codec])
    (small / "c" / "0" / "0" / "0").write_bytes((bomb / "c" / "0" / "0" / "0").read_bytes())
    with pytest.raises(FileFormatError, match=r"chunk 0/0/0 is damaged"):
        opened(small).read((slice(0, 2), slice(0, 3), slice(0, 4)))


def test_a_small_folder_that_claims_a_large_image_is_refused(tmp_path):
    written(tmp_path, voxels((2, 3, 4)))
    metadata(tmp_path, lambda data: data.update(shape=[10_000, 10_000, 10_000]))
    with pytest.raises(FileFormatError, match=r"bytes of files cannot hold 2000000000000 bytes of voxels"):
        opened(tmp_path).refuse_impossible()
    with pytest.raises(FileFormatError, match=r"files of voxels \d+ at most are there"):
        opened(tmp_path).refuse_incomplete()


CHANGES = {
    "an object": lambda d: d.update(data_type="object"),
    "a structure": lambda d: d.update(data_type={"name": "structured", "configuration": {}}),
    "text": lambda d: d.update(data_type="string"),
    "a codec of a plugin": lambda d: d.update(codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}]),
    "no codec from voxels to bytes": lambda d: d.update(codecs=[{"name": "zstd"}]),
    "a negative size": lambda d: d.update(shape=[-1, 3, 4]),
    "a size with a fraction": lambda d: d.update(shape=[2.0, 3, 4]),
    "a true size": lambda d: d.update(shape=[True, 3, 4]),
    "no axes": lambda d: d.update(shape=[]),
    "other axes": lambda d: d["chunk_grid"]["configuration"].update(chunk_shape=[1, 3]),
    "a chunk of a terabyte": lambda d: d["chunk_grid"]["configuration"].update(chunk_shape=[10_000] * 3),
    "another grid": lambda d: d["chunk_grid"].update(name="rectangular"),
    "another separator": lambda d: d["chunk_key_encoding"]["configuration"].update(separator="../"),
    "transformers of storage": lambda d: d.update(storage_transformers=[{"name": "x"}]),
    "a group": lambda d: d.update(node_type="group"),
    "no codecs": lambda d: d.pop("codecs"),
    "codecs that are a number": lambda d: d.update(codecs=5),
    "a transposition of other axes": lambda d: d["codecs"].insert(
        0, {"name": "transpose", "configuration": {"order": [0, 0, 1]}}
    ),
    "a transposition by fractions": lambda d: d["codecs"].insert(
        0, {"name": "transpose", "configuration": {"order": [0.0, 1.0, 2.0]}}
    ),
    "the name of a file": lambda d: d["chunk_grid"].update(configuration="zarr.json"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_metadata_of_another_kind_are_refused(tmp_path, change):
    written(tmp_path, voxels((2, 3, 4)))
    metadata(tmp_path, CHANGES[change])
    with pytest.raises(FileFormatError, match="metadata are not understood"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"shape": ' + "9" * 5000 + "}", "\xff\xfe"])
def test_metadata_that_are_no_json_object_are_refused(tmp_path, text):
    (tmp_path / "zarr.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match="metadata"):
        opened(tmp_path)


CHANGES_V2 = [
    {"dtype": "|O"},
    {"dtype": "<U9"},
    {"dtype": [["a", "<i2"]]},
    {"filters": [{"id": "pickle"}]},
    {"compressor": {"id": "pickle"}},
    {"order": "X"},
]


@pytest.mark.parametrize("change", CHANGES_V2)
def test_metadata_of_version_2_of_another_kind_are_refused(tmp_path, change):
    written(tmp_path, voxels((2, 3, 4)), zarr_format=2)
    data = json.loads((tmp_path / ".zarray").read_text())
    (tmp_path / ".zarray").write_text(json.dumps(data | change))
    with pytest.raises(FileFormatError, match="metadata are not understood"):
        opened(tmp_path)


@pytest.mark.parametrize("linked", ["zarr.json", "c/0/0/0", "c"])
def test_links_that_lead_out_are_not_followed(tmp_path, linked):
    folder, outside = written(tmp_path / "z", voxels((2, 3, 4))), tmp_path / "outside"
    (folder / linked).rename(outside)
    (folder / linked).symlink_to(outside)
    with pytest.raises(FileFormatError, match="leads out of the folder by a link"):
        opened(folder).read((slice(0, 2), slice(0, 3), slice(0, 4)))


def test_links_in_a_circle_are_not_followed(tmp_path):
    folder = written(tmp_path / "z", voxels((2, 3, 4)))
    chunk = folder / "c" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(chunk)
    with pytest.raises(FileFormatError, match=r"link|missing"):
        opened(folder).read((slice(0, 2), slice(0, 3), slice(0, 4)))


def test_a_chunk_that_is_far_too_long_is_not_read(tmp_path):
    folder = written(tmp_path, voxels((2, 3, 4)))
    with (folder / "c" / "0" / "0" / "0").open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk, and would take a terabyte of memory
    with pytest.raises(FileFormatError, match="1099511627776 bytes are too many"):
        opened(folder).read((slice(0, 2), slice(0, 3), slice(0, 4)))


def test_a_folder_that_is_itself_a_link_is_read(tmp_path):
    array = voxels((2, 3, 4))
    written(tmp_path / "z", array)
    (tmp_path / "link").symlink_to(tmp_path / "z")
    np.testing.assert_array_equal(opened(tmp_path / "link").read(whole(array)), array)
