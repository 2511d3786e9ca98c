"""Kinds of damage to the bytes of a DICOM file, each by a random generator, so that a seed gives it again."""

import struct
import zlib

import numpy as np
import pydicom


def places(content):
    """Where the values of the elements begin, by pydicom; a guess of every even place where it cannot read them."""
    try:
        ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content), force=True)
        found = [(e.value_tell, int(e.tag)) for e in ds.elements() if getattr(e, "value_tell", 0)]
    except Exception:
        found = []
    return found or [(at, 0) for at in range(144, min(len(content), 2000), 2)]


def flipped(content, rng, _places):
    damaged = bytearray(content)
    for at in rng.integers(0, len(damaged), rng.integers(1, 12)):
        damaged[at] = rng.integers(256)
    return bytes(damaged)


def other_length(content, rng, found):
    damaged = bytearray(content)
    at = int(rng.choice([where for where, _ in found])) - int(rng.choice([2, 4]))
    size = rng.choice([0, 1, 2, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, len(content)])
    width = int(rng.choice([2, 4]))
    damaged[at : at + width] = (int(size) % 256**width).to_bytes(width, "little")
    return bytes(damaged)


def truncated(content, rng, _places):
    return content[: rng.integers(1, len(content))]


def repeated(content, rng, _places):
    start, end = sorted(int(n) for n in rng.integers(132, len(content), 2))
    return content[:start] + content[start:end] * int(rng.integers(2, 4)) + content[end:]


def cut_out(content, rng, _places):
    start = int(rng.integers(132, len(content) - 8))
    return content[:start] + content[start + int(rng.integers(1, 64)) :]


def other_size(content, rng, found):
    """Rows, Columns and Number of Frames of up to 65535."""
    damaged = bytearray(content)
    for at, tag in found:
        if tag in {0x00280010, 0x00280011} and rng.random() < 0.7:
            damaged[at : at + 2] = int(rng.choice([0, 1, 255, 4096, 32768, 65535])).to_bytes(2, "little")
    at = content.find(b"\x28\x00\x10\x00US")
    if at > 0 and rng.random() < 0.5:
        frames = str(rng.choice([0, -1, 2, 100, 65535])).encode().ljust(6)
        damaged[at:at] = b"\x28\x00\x08\x00IS\x06\x00" + frames
    return bytes(damaged)


def top_place(content, rng, found):
    """Where an element at the top begins, of an explicit file: something may be put there."""
    return int(rng.choice([at for at, tag in found if 0x00080000 < tag < 0x7FE00000] or [len(content) - 4])) - 8


SEQUENCE, ITEM = b"\x08\x00\x15\x11SQ\0\0", b"\xfe\xff\x00\xe0"
ENDLESS = b"\xff\xff\xff\xff"


def nested(content, rng, found):
    """Sequences a thousand deep, of defined or undefined length, ended or not."""
    at, depth = top_place(content, rng, found), int(rng.choice([10, 100, 1000, 3000]))
    if rng.random() < 0.5:
        inner = (SEQUENCE + ENDLESS + ITEM + ENDLESS) * depth
        if rng.random() < 0.5:
            inner += b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth
    else:
        inner = b""
        for _ in range(depth):
            inner = SEQUENCE + struct.pack("<I", len(inner) + 8) + ITEM + struct.pack("<I", len(inner)) + inner
    return content[:at] + inner + content[at:]


def endless(content, rng, found):
    """Undefined lengths without an end: a text, unknown bytes, a sequence of empty items."""
    at = top_place(content, rng, found)
    head = [b"\x08\x00\x15\x11UN\0\0", b"\x09\x00\x10\x10OB\0\0", b"\x09\x00\x10\x10UT\0\0", SEQUENCE][rng.integers(4)]
    body = [b"", b"\0" * 5000, (ITEM + b"\0\0\0\0") * 2000, (ITEM + ENDLESS) * 500][rng.integers(4)]
    return content[:at] + head + ENDLESS + body + content[at:]


def bomb(content, rng, found):
    """Compressed data that grow: a deflated data set, or an image that says it is huge."""
    damaged = bytearray(content)
    if b"1.2.840.10008.1.2.1.99" in content[:1000]:
        start = 144 + struct.unpack("<I", content[140:144])[0]
        try:
            inflated = zlib.decompress(content[start:], -15)
        except zlib.error:
            return content
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        more = bytes(int(rng.choice([1, 8, 32])) << 20)
        cut = int(rng.integers(100, len(inflated)))
        return content[:start] + deflater.compress(inflated[:cut] + more + inflated[cut:]) + deflater.flush()
    for marker, offset, width in ((b"\xff\x4f\xff\x51", 8, 32), (b"\xff\xc3", 5, 4), (b"\xff\xf7", 5, 4)):
        at = content.find(marker, found[-1][0] if found else 0)
        if at > 0:
            for _ in range(rng.integers(1, 4)):
                where = at + offset + int(rng.integers(0, width // 2)) * 2
                damaged[where : where + 2] = bytes(rng.choice([0, 1, 255], 2).astype(np.uint8))
            return bytes(damaged)
    if b"1.2.840.10008.1.2.5\0" in content[:1000]:
        tail = int(rng.integers(len(content) // 2, len(content)))
        return content[:tail] + bytes([129, 0]) * int(rng.integers(1, 3000)) + content[tail:]
    return other_size(content, rng, found)


DAMAGES = (flipped, other_length, truncated, repeated, cut_out, other_size, nested, endless, bomb)
