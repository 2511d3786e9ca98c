"""Layout of a Zarr array on disk, from its metadata: Zarr v3 (``zarr.json``) and v2 (``.zarray``).

Nothing in the metadata is trusted. Only whole numbers, fractions and truth values of fixed size are read, and only
codecs of a fixed list, none of which runs code or comes from an entry point; sizes are checked before memory is taken.

After the Zarr v3 core specification (zarr-specs.readthedocs.io, "Zarr core specification", codecs "bytes", "blosc",
"zstd", "gzip", "crc32c", "transpose" and "sharding_indexed") and the Zarr v2 specification.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dotaliver.errors import FileFormatError
from dotaliver.image.arrays import ArrayType
from dotaliver.system.parsing import Json, as_list, as_object

__all__ = ["METADATA_FILES", "ArrayLayout", "Coding", "Shards", "array_layout", "json_of"]

Codec = tuple[str, dict[str, Json]]
"""Name and settings of a step of coding"""
METADATA_FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
"""A folder with one of these belongs to a Zarr hierarchy."""
_LARGEST_METADATA = 16 << 20
_LARGEST_CHUNK = 1 << 30
_LARGEST_SIZE = 1 << 31
_MOST_AXES = 5
_MOST_IN_SHARD = 1 << 20
_TYPES_V3 = {
    "bool": "?",
    **{f"{name}{8 * size}": f"{kind}{size}" for kind, name in (("i", "int"), ("u", "uint")) for size in (1, 2, 4, 8)},
    "float32": "f4",
    "float64": "f8",
}
_TYPES = frozenset(_TYPES_V3.values()) - {"?"}
_PACKERS_V3 = frozenset({"blosc", "zstd", "gzip", "crc32c"})
_PACKERS_V2 = frozenset({"blosc", "zstd", "gzip", "zlib", "lz4"})


@dataclass(frozen=True)
class Coding:
    """How the voxels of one chunk are encoded."""

    dtype: ArrayType
    """Voxel type, with its byte order"""
    order: tuple[int, ...]
    """Axes of the chunk in storage order, the fastest last"""
    packers: tuple[str, ...]
    """Codecs from bytes to bytes, in the order in which they were applied"""


@dataclass(frozen=True)
class Shards:
    """Shards: files of several chunks each, with an index (Zarr codec "sharding_indexed")."""

    shape: tuple[int, ...]
    """Voxels that one file covers"""
    counts: tuple[int, ...]
    """Chunks of a shard along each axis"""
    index_at_end: bool
    index_has_checksum: bool


@dataclass(frozen=True)
class ArrayLayout:
    """One array: size, type, chunks and the names of their files."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    coding: Coding
    prefix: str
    separator: str
    shards: Shards | None = None

    @property
    def dtype(self) -> ArrayType:
        """Type of the voxels, in native byte order."""
        return self.coding.dtype.newbyteorder("=")

    @property
    def file_shape(self) -> tuple[int, ...]:
        """Voxels that one file covers."""
        return self.chunks if self.shards is None else self.shards.shape

    @property
    def chunk_bytes(self) -> int:
        """Size of one chunk, decompressed, in bytes."""
        return math.prod(self.chunks) * self.coding.dtype.itemsize

    @property
    def image_bytes(self) -> int:
        """Size of all voxels in bytes."""
        return math.prod(self.shape) * self.coding.dtype.itemsize

    def file_name(self, place: tuple[int, ...]) -> str:
        """Name of a file, relative to the array's folder, by its position in the grid of files."""
        return self.prefix + self.separator.join(map(str, place))


def json_of(path: Path) -> dict[str, Json]:
    """A JSON object from a file of the hierarchy; empty where there is no such file.

    Raises
    ------
    FileFormatError
        Where it is too long, cannot be read, or is no JSON object.
    """
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            data = file.read(_LARGEST_METADATA + 1)
        if len(data) > _LARGEST_METADATA:
            msg = f"{path.name}: the metadata are longer than {_LARGEST_METADATA} bytes"
            raise FileFormatError(msg)
        found: Json = json.loads(data)
    except FileFormatError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path.name}: the metadata cannot be read as JSON"
        raise FileFormatError(msg) from error
    if not isinstance(found, dict):
        msg = f"{path.name}: the metadata are not a JSON object"
        raise FileFormatError(msg)
    return found


def array_layout(folder: Path) -> ArrayLayout:
    """Read the metadata of the array in a folder.

    Raises
    ------
    FileFormatError
        Where there is no array, or one that is not supported; the message says why, without the folder's name.
    """
    three, two = json_of(folder / "zarr.json"), json_of(folder / ".zarray")
    try:
        if three:
            return _checked(_layout_v3(three))
        if two:
            return _checked(_layout_v2(two))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The metadata are untrusted: anything may be missing or of the wrong type
        msg = f"its array metadata are not understood ({error})"
        raise FileFormatError(msg) from error
    msg = "it holds no Zarr array (neither zarr.json nor .zarray is there)"
    raise FileFormatError(msg)


def _checked(layout: ArrayLayout) -> ArrayLayout:
    if not 1 <= len(layout.shape) <= _MOST_AXES or len(layout.shape) != len(layout.chunks):
        msg = f"{len(layout.shape)} axes"
        raise ValueError(msg)
    if layout.chunk_bytes > _LARGEST_CHUNK:
        msg = f"chunks of {layout.chunk_bytes} bytes"
        raise ValueError(msg)
    return layout


def _sizes(values: Json) -> tuple[int, ...]:
    stated = values if isinstance(values, list) else [None]
    found = [n for n in stated if isinstance(n, int) and not isinstance(n, bool) and 0 < n < _LARGEST_SIZE]
    if len(found) != len(stated):
        msg = "sizes that are not positive whole numbers"
        raise ValueError(msg)
    return tuple(found)


def _configured(codec: Json) -> Codec:
    if isinstance(codec, str):
        return codec, {}
    stated = as_object(codec)
    return str(stated["name"]), as_object(stated.get("configuration") or {})


def _layout_v3(data: dict[str, Json]) -> ArrayLayout:
    if data.get("zarr_format") != 3 or data.get("node_type") != "array" or data.get("storage_transformers"):
        msg = "it is not a plain array of Zarr v3"
        raise ValueError(msg)
    kind = data["data_type"]
    if not isinstance(kind, str) or kind not in _TYPES_V3:
        msg = f"data type {str(kind)[:40]}"
        raise ValueError(msg)
    dtype = np.dtype(_TYPES_V3[kind])
    grid, grid_settings = _configured(data["chunk_grid"])
    keys, key_settings = _configured(data["chunk_key_encoding"])
    if grid != "regular" or keys not in {"default", "v2"}:
        msg = "a chunk grid or names of chunks of another kind"
        raise ValueError(msg)
    separator = _separator(key_settings.get("separator", "/" if keys == "default" else "."))
    shape, pieces = _sizes(data["shape"]), _sizes(grid_settings["chunk_shape"])
    prefix = f"c{separator}" if keys == "default" else ""
    codecs = [_configured(codec) for codec in as_list(data["codecs"])]
    if [name for name, _ in codecs] != ["sharding_indexed"]:
        return ArrayLayout(shape, pieces, _coding_v3(codecs, dtype, len(shape)), prefix, separator)
    settings = codecs[0][1]
    chunks = _sizes(settings["chunk_shape"])
    coding = _coding_v3([_configured(codec) for codec in as_list(settings["codecs"])], dtype, len(shape))
    return ArrayLayout(shape, chunks, coding, prefix, separator, _shards(settings, pieces, chunks))


def _separator(value: Json) -> str:
    if value not in ("/", "."):  # a tuple: what is not text may not be hashable
        msg = "names of chunks of another kind"
        raise ValueError(msg)
    return str(value)


def _shards(settings: dict[str, Json], pieces: tuple[int, ...], chunks: tuple[int, ...]) -> Shards:
    index = [_configured(codec) for codec in as_list(settings["index_codecs"])]
    names, place = [name for name, _ in index], settings.get("index_location", "end")
    if names not in (["bytes"], ["bytes", "crc32c"]) or index[0][1].get("endian", "little") != "little":
        msg = "an index of shards of another kind"
        raise ValueError(msg)
    if place not in ("start", "end") or any(whole % part for whole, part in zip(pieces, chunks, strict=True)):
        msg = "shards that do not hold whole chunks"
        raise ValueError(msg)
    counts = tuple(whole // part for whole, part in zip(pieces, chunks, strict=True))
    if math.prod(counts) > _MOST_IN_SHARD:
        msg = f"{math.prod(counts)} chunks in a shard"
        raise ValueError(msg)
    return Shards(pieces, counts, place == "end", len(names) == 2)


def _coding_v3(codecs: list[Codec], dtype: ArrayType, axes: int) -> Coding:
    order = tuple(range(axes))
    names = [name for name, _ in codecs]
    if names and names[0] == "transpose":
        order = tuple(n for n in as_list(codecs[0][1]["order"]) if isinstance(n, int) and not isinstance(n, bool))
        codecs, names = codecs[1:], names[1:]
    whole = sorted(order) == list(range(axes))
    if not whole or not names or names[0] != "bytes" or not _PACKERS_V3.issuperset(names[1:]):
        msg = f"codecs {', '.join(names)[:80] or 'none'}"
        raise ValueError(msg)
    endian = codecs[0][1].get("endian", "little")
    if endian not in ("little", "big"):
        msg = "a byte order of another kind"
        raise ValueError(msg)
    return Coding(dtype.newbyteorder("<" if endian == "little" else ">"), order, tuple(names[1:]))


def _layout_v2(data: dict[str, Json]) -> ArrayLayout:
    kind = data["dtype"]
    if data.get("zarr_format") != 2 or data.get("filters") or not isinstance(kind, str):
        msg = "it is not a plain array of Zarr v2, or has filters"
        raise ValueError(msg)
    if kind != "|b1" and (kind[:1] not in {"<", ">", "|"} or kind[1:] not in _TYPES):
        msg = f"data type {kind[:40]}"
        raise ValueError(msg)
    shape, compressor = _sizes(data["shape"]), data.get("compressor")
    packers: tuple[str, ...] = () if compressor is None else (str(as_object(compressor)["id"]),)
    if not _PACKERS_V2.issuperset(packers):
        msg = f"codec {packers[-1][:40]}"
        raise ValueError(msg)
    axes = range(len(shape))
    order = {"C": tuple(axes), "F": tuple(reversed(axes))}[str(data.get("order", "C"))]
    separator = _separator(data.get("dimension_separator", "."))
    return ArrayLayout(shape, _sizes(data["chunks"]), Coding(np.dtype(kind), order, packers), "", separator)
