"""Damaged and hostile DICOM files, thousands of them, loaded in a process of its own.

    python -m dicom.fuzzing SEED COUNT FOLDER KIND [SERIES...]

makes COUNT mutants of the series of that kind (or of those in the folders named) in FOLDER and loads each. Every one
must end in a volume or in one of our errors. What may go wrong ends the process: a crash by itself, a hang of more
than five seconds by a watchdog that prints where, an allocation by an assertion, another exception by its traceback.
A count of the outcomes is printed as JSON.

Memory is held to what the mutant's own size justifies, in three ways: the peak of the process's resident memory and
that of its address space (Linux), from which no decoder in C can hide, and for every few mutants the peak of what
Python and numpy allocate, where an array counts in full before it is touched.
"""

import faulthandler
import json
import struct
import sys
import time
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from dicom.damage import DAMAGES, cut_out, flipped, places, repeated, truncated
from dicom.factory import ramp, rewritten, write_series
from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.pixels.series import read_series
from dotaliver.dicom.study import load_study
from dotaliver.errors import DotaliverError

LONGEST_S = 5
# What parsing and the first use of a library take, whatever the file
ALWAYS_BYTES = 16 * 2**20
# A thread's stack and its heap take this much address space, though hardly any memory
ALWAYS_SPACE = 256 * 2**20
TRACED_EVERY = 4
# A compressed file may hold this many times its size (the limit of the code), a plain one itself some times over
MOST_OF_SIZE, MOST_OF_PLAIN = 1000, 30
SLICES = 4
JPEG_LOSSLESS, HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.201"
REAL = ("CT_small", "MR_small", "MR_small_implicit", "MR_small_bigendian", "MR_small_padded", "MR_small_RLE")
REAL = (*REAL, "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "693_J2KI", "J2K_pixelrep_mismatch")


# ------------------------------------------------------------------------------------------------ what is mutated


def encoded(path, syntax, encode):
    """Write one file again with its pixels encoded by a function."""
    ds = pydicom.dcmread(path)
    ds.PixelData = encapsulate([encode(ds.pixel_array)])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path)


def big_endian(path):
    ds = pydicom.dcmread(path)
    ds.PixelData = ds.pixel_array.byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=False, force_encoding=True)


REWRITERS = {
    "explicit": lambda path: path,
    "implicit": lambda path: rewritten(path, ImplicitVRLittleEndian),
    "big endian": big_endian,
    "deflated": lambda path: rewritten(path, DeflatedExplicitVRLittleEndian),
    "RLE": lambda path: rewritten(path, RLELossless),
    "JPEG 2000": lambda path: rewritten(path, JPEG2000Lossless),
    "JPEG-LS": lambda path: encoded(path, JPEGLSLossless, imagecodecs.jpegls_encode),
    "JPEG lossless": lambda path: encoded(path, JPEG_LOSSLESS, imagecodecs.ljpeg_encode),
    "HTJ2K": lambda path: encoded(path, HTJ2K_LOSSLESS, imagecodecs.htj2k_encode),
}


def made_series(folder):
    """A PET in every transfer syntax, an enhanced PET, and series around real files that pydicom brings along."""
    from dicom.test_multiframe import enhanced

    for name, rewrite in REWRITERS.items():
        for path in write_series(folder / name, stored=ramp((SLICES, 33, 32)).astype(np.uint16)):
            rewrite(path)
    enhanced(write_series(folder / "single", stored=ramp((SLICES, 8, 9))), folder / "enhanced")
    for name in REAL:
        real_series(Path(get_testdata_file(f"{name}.dcm", download=False)), folder / f"real {name}")
    return [folder / name for name in (*REWRITERS, "enhanced", *(f"real {name}" for name in REAL))]


def real_series(path, folder):
    """Slices around one real file: only where they lie differs."""
    folder.mkdir(parents=True)
    for k in range(SLICES):
        ds = pydicom.dcmread(path)
        ds.Modality, ds.SOPClassUID = "CT", "1.2.840.10008.5.1.4.1.1.2"
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3 * k]
        ds.RescaleSlope, ds.RescaleIntercept, ds.SOPInstanceUID = "1", "0", generate_uid()
        ds.save_as(folder / f"{k}.dcm")


# ------------------------------------------------------------------------------------------------ what comes of it


def load(folder, *, whole):
    """Read all series of a folder, or load it as a study."""
    if whole:
        return load_study(folder, ScoringConfig()).pet.array.shape
    return [read_series(series).array.shape for series in index_folder(folder).series]


def status(field):
    """One line of what Linux tells of this process's memory, in bytes; 0 elsewhere."""
    path = Path("/proc/self/status")
    line = next((x for x in path.read_text().splitlines() if x.startswith(field)), "") if path.exists() else ""
    return int(line.split()[1]) * 1024 if line else 0


def forget_resident_peak():
    """Let the peak of the resident memory begin anew (Linux); False where that is not possible."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


class Watch:
    """Loads one mutant after the other and holds each to time and memory."""

    def __init__(self, log):
        # What is being loaded, and where it hangs if it does
        self.log = log
        self.outcomes, self.slowest, self.widest, self.number = Counter(), 0.0, (0.0, ""), 0

    def __call__(self, what, folder, allowed, *, whole):
        traced = self.number % TRACED_EVERY == 0
        self.number += 1
        self.log.seek(0)
        self.log.truncate()
        self.log.write(f"{what}\n")
        if traced:  # which slows everything down several times
            tracemalloc.start()
        else:
            faulthandler.dump_traceback_later(LONGEST_S, exit=True, file=self.log)
        space, resident = status("VmPeak"), status("VmRSS") if forget_resident_peak() else None
        started = time.perf_counter()
        outcome = self.outcome(what, folder, whole)
        if not traced:
            self.slowest = max(self.slowest, time.perf_counter() - started)
        faulthandler.cancel_dump_traceback_later()
        taken = {"address space": status("VmPeak") - space}
        if resident is not None:
            taken["resident memory"] = status("VmHWM") - resident
        if traced:
            taken["memory of Python and numpy"] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        for kind, size in taken.items():
            most = allowed + (ALWAYS_SPACE if kind == "address space" else 0)
            assert size <= most, f"{what}: {size} bytes of {kind} where {most} are justified"
        taken.pop("address space")
        self.widest = max(self.widest, *((size / allowed, f"{kind}, {what}") for kind, size in taken.items()))
        self.outcomes[outcome] += 1

    def outcome(self, what, folder, whole):
        try:
            load(folder, whole=whole)
        except DotaliverError as error:
            assert str(error), what
            return type(error).__name__
        except BaseException:
            print(f"not one of our errors: {what}", file=sys.stderr)
            raise
        return "read"


def justified(paths, content):
    """Bytes that a series may take: its files some times over, and the damaged one what it may be compressed to."""
    plain = any(syntax in content[:1000] for syntax in (b"1.2.840.10008.1.2\0", b"10008.1.2.1\0", b"10008.1.2.2\0"))
    grown = (MOST_OF_PLAIN if plain else MOST_OF_SIZE) * len(content)
    return ALWAYS_BYTES + grown + MOST_OF_PLAIN * sum(p.stat().st_size for p in paths)


def fuzz_series(watch, series, count, rng):
    """Damage one file of a series at a time."""
    known = {}
    for n in range(count):
        folder = series[n % len(series)]
        if folder not in known:
            paths = sorted(p for p in folder.rglob("*") if p.is_file())
            contents = [p.read_bytes() for p in paths]
            known[folder] = (paths, contents, [places(c) for c in contents])
        paths, contents, found = known[folder]
        k, damage = int(rng.integers(len(paths))), DAMAGES[(n // len(series)) % len(DAMAGES)]
        content = damage(contents[k], rng, found[k])
        paths[k].write_bytes(content)
        what = f"mutant {n}: {damage.__name__} of {folder.name}/{paths[k].name}"
        watch(what, folder, justified(paths, content), whole=n % 3 == 0)
        paths[k].write_bytes(contents[k])


NAMES = ("../out.dcm", "/tmp/out.dcm", "a/../../out.dcm", "C:\\out.dcm", "a\\..\\..\\out.dcm", "x" * 300, ".")


def fuzz_zips(watch, folder, count, rng):
    """Damage an archive, or what is in it: names that lead out of it, members that explode or lie about their size."""
    paths = write_series(folder / "inside", stored=ramp((SLICES, 17, 16)))
    good, outside = [p.read_bytes() for p in paths], sorted(p.name for p in folder.parent.iterdir())
    (folder / "zips").mkdir()
    target = folder / "zips" / "study.zip"
    for n in range(count):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in zip(paths, good, strict=True):
                archive.writestr(path.name, content)
            if n % 4 == 1:
                archive.writestr(str(rng.choice(NAMES)), b"x")
            if n % 4 == 2:
                archive.writestr("large", bytes(int(rng.choice([1, 32, 80])) << 20))
        content = target.read_bytes()
        if n % 4 in {0, 2}:
            damage = (flipped, truncated, repeated, cut_out)[(n // 4) % 4]
            content = damage(content, rng, [])
        if n % 4 == 3:  # the sizes in the central directory, which the reader believes first
            damaged, at = bytearray(content), content.rfind(b"PK\x01\x02")
            damaged[at + 20 : at + 28] = struct.pack("<II", *(int(v) for v in rng.choice([0, 1, 2**20, 2**32 - 1], 2)))
            content = bytes(damaged)
        target.write_bytes(content)
        watch(f"archive {n}", target, ALWAYS_BYTES + MOST_OF_PLAIN * len(content), whole=n % 2 == 0)
    assert sorted(p.name for p in folder.parent.iterdir()) == outside, "an archive's member left its folder"


def main(seed, count, folder, kind, *series):
    rng, folder = np.random.default_rng(int(seed)), Path(folder)
    bases = [Path(s) for s in series] if series else made_series(folder) if kind == "series" else []
    for base in bases:
        try:
            load(base, whole=False)
        except DotaliverError as error:
            print(f"{base.name}: {error}", file=sys.stderr)
    with (folder / "current.txt").open("w", buffering=1) as log:
        watch = Watch(log)
        if kind == "series":
            fuzz_series(watch, bases, int(count), rng)
        else:
            fuzz_zips(watch, folder, int(count), rng)
    told = {"slowest_s": watch.slowest, "widest": watch.widest}
    print(json.dumps(told | {"outcomes": watch.outcomes, "bases": len(bases)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
