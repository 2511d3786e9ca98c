#!/usr/bin/env python3
"""Time and peak memory of reading DICOM series from a folder, beside SimpleITK, dcm2niix and the bare bytes.

    .venv/bin/python scripts/benchmark_loading.py [--quick] [--rounds 5] [--only "CT RLE"]

Writes a CT of 400 slices of 512² (uncompressed, RLE, JPEG 2000), a PET of 400 slices of 200² with a slope of its own
in every slice, and 5 000 PET files in 40 series into a temporary folder. Each figure comes from a process of its own;
time starts after the imports, and memory is what the peak (resident set) adds to that of the imported process. The
contenders take turns within a round; a row shows the median over the rounds and its ratio to ours, and what the
processors worked for it, which other programs on the machine change less. The files are
read once before the first round, so that all read from the system's cache. Ours is discovery, choice, all checks and
the reading. dcm2niix also writes a NIfTI file and is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
SYNTAXES = {"CT": None, "CT RLE": "1.2.840.10008.1.2.5", "CT JPEG 2000": "1.2.840.10008.1.2.4.90"}
# Elements that a scanner writes and nobody here reads: a header of usual length.
FILLERS = 70


def peak_mb() -> float:
    """Largest resident set of this process so far, in MB (of 1024² bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # elsewhere the peak of the parent process, which is inherited, may hide ours
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


# ------------------------------------------------------------------------------------------------ what is read


def header(modality: str, uid: str, size: int):
    """The elements that all slices of one series share."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian

    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1." + ("128" if modality == "PT" else "2")
    ds.Modality, ds.SeriesInstanceUID, ds.StudyInstanceUID = modality, uid, "1.2.826.0.1.3680043.10.999.1"
    ds.FrameOfReferenceUID, ds.PatientID, ds.PatientName = "1.2.826.0.1.3680043.10.999.2", "1", "Bench^Mark"
    ds.ImageType, ds.Manufacturer = ["ORIGINAL", "PRIMARY", "AXIAL"], "Maker"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20260302"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "100000"
    ds.SeriesNumber, ds.SeriesDescription = "3", "benchmark"
    ds.PatientSex, ds.PatientSize, ds.PatientWeight = "F", "1.72", "78"
    ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceThickness = [1, 0, 0, 0, 1, 0], [0.9, 0.9], "2"
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", size, size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = "1", "0"
    if modality == "PT":
        ds.Units, ds.DecayCorrection, ds.SeriesType = "BQML", "START", ["WHOLE BODY", "IMAGE"]
        ds.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
        ds.ActualFrameDuration, ds.FrameReferenceTime = "180000", "89769.7"
        tracer = Dataset()
        tracer.Radiopharmaceutical, tracer.RadiopharmaceuticalStartTime = "Ga-68 DOTATATE", "090000"
        tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = "150000000", "4062.6"
        ds.RadiopharmaceuticalInformationSequence = Sequence([tracer])
    block = ds.private_block(0x0019, "A MAKER OF SCANNERS", create=True)
    for k in range(FILLERS):
        block.add_new(k, "LO", f"a private value {k}")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    return ds


def body(count: int, size: int, scale: float):
    """An ellipse with organs and noise, int16, one plane after the other."""
    import numpy as np

    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
    for k in range(count):
        organ = np.hypot(x - 0.3 * np.cos(k / 40), y - 0.2) < 0.25
        plane = np.where(inside, 40.0 + 60 * organ, -1000.0) + np.where(inside, rng.normal(0, 12, x.shape), 0)
        yield np.round(plane * scale).astype(np.int16)


def write_series(folder: Path, modality: str, count: int, size: int, syntax: str | None = None) -> None:
    """One series of `count` planes."""
    folder.mkdir(parents=True)
    uid = f"1.2.826.0.1.3680043.10.999.{zlib.crc32(folder.name.encode())}"
    ds = header(modality, uid, size)
    native = ds.file_meta.TransferSyntaxUID
    planes = body(count, size, 1.0) if modality == "CT" else (abs(plane) for plane in body(count, size, 25.0))
    for k, plane in enumerate(planes):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"
        ds.InstanceNumber, ds.ImagePositionPatient = str(k + 1), [-230.0, -230.0, 2.0 * k]
        if modality == "PT":
            ds.RescaleSlope, ds.NumberOfSlices = f"{0.3 + 0.001 * k:.6f}", count
        ds.file_meta.TransferSyntaxUID = native
        ds.PixelData = plane.tobytes()
        ds["PixelData"].VR = "OW"
        ds["PixelData"].is_undefined_length = False
        if syntax is not None:
            ds.compress(syntax, plane, generate_instance_uid=False)
        ds.save_as(folder / f"{(k * 7919) % count:05d}.dcm", enforce_file_format=True)


# ------------------------------------------------------------------------------------------------ who reads it


def prepare_ours(folder: Path) -> Callable[[], object]:
    from dotaliver.dicom.choice.pet import choose_series
    from dotaliver.dicom.files.headers import index_folder
    from dotaliver.dicom.pixels.series import read_series

    def run() -> object:
        index = index_folder(folder)
        if index.of_modality("PT"):
            return read_series(choose_series(index).pet)
        return read_series(index.series[0])

    return run


def prepare_itk(folder: Path, discover: bool = True) -> Callable[[], object]:
    import SimpleITK as sitk  # noqa: N813

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)) if not discover else ()

    def run() -> object:
        reader = sitk.ImageSeriesReader()
        found = names
        if discover:
            (uid,) = reader.GetGDCMSeriesIDs(str(folder))
            found = reader.GetGDCMSeriesFileNames(str(folder), uid)
        reader.SetFileNames(found)
        if "PET" in folder.name:  # or else the first slice's slope makes all of them whole numbers
            reader.SetOutputPixelType(sitk.sitkFloat32)
        return reader.Execute()

    return run


def prepare_dcm2niix(folder: Path) -> Callable[[], object]:
    def run() -> object:
        with tempfile.TemporaryDirectory() as target:
            command = ["dcm2niix", "-z", "n", "-b", "n", "-o", target, str(folder)]
            return subprocess.run(command, check=True, capture_output=True)

    return run


def prepare_bytes(folder: Path) -> Callable[[], object]:
    return lambda: [len(path.read_bytes()) for path in folder.iterdir()]


def prepare_listing(folder: Path) -> Callable[[], object]:
    from dotaliver.dicom.files.headers import index_folder

    return lambda: index_folder(folder)


def prepare_loop(folder: Path) -> Callable[[], object]:
    import pydicom
    from pydicom.tag import Tag

    from dotaliver.dicom.files.headers import HEADER_TAGS

    tags = [Tag(number) for number in HEADER_TAGS]

    def run() -> object:
        series: dict[str, list[object]] = {}
        for path in sorted(folder.rglob("*.dcm")):
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
            series.setdefault(ds.SeriesInstanceUID, []).append(ds)
        return series

    return run


READERS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "ours": prepare_ours,
    "SimpleITK": prepare_itk,
    "SimpleITK, names given": lambda folder: prepare_itk(folder, discover=False),
    "dcm2niix": prepare_dcm2niix,
    "bytes": prepare_bytes,
}
LISTERS = {"ours": prepare_listing, "pydicom loop": prepare_loop}


def work(case: str, reader: str, folder: Path) -> None:
    """One measurement, in this process; printed as JSON."""
    run = (LISTERS if case == "listing" else READERS)[reader](folder)
    before = peak_mb()
    started, worked = time.perf_counter(), sum(os.times()[:4])
    kept = run()
    seconds, worked = time.perf_counter() - started, sum(os.times()[:4]) - worked
    print(json.dumps({"seconds": seconds, "processor": worked, "mb": peak_mb() - before}))
    del kept


# ------------------------------------------------------------------------------------------------ the rounds


def measured(case: str, reader: str, folder: Path) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, __file__, "--work", case, reader, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def compare(case: str, folder: Path, readers: list[str], rounds: int, array_mb: float | None) -> None:
    prepare_bytes(folder)() if case != "listing" else None
    results: dict[str, list[dict[str, float]]] = {reader: [] for reader in readers}
    for _ in range(rounds):
        for reader in readers:
            results[reader].append(measured(case, reader, folder))
    ours = statistics.median(r["seconds"] for r in results["ours"])
    print(f"\n{case}" + (f" (array {array_mb:.0f} MB)" if array_mb else ""))
    for reader in readers:
        seconds = statistics.median(r["seconds"] for r in results[reader])
        worked = statistics.median(r["processor"] for r in results[reader])
        mb = statistics.median(r["mb"] for r in results[reader])
        share = f"{mb / array_mb:5.2f} x array" if array_mb and reader in {"ours", "SimpleITK"} else ""
        mb_text = "       -" if reader == "dcm2niix" else f"{mb:8.0f}"
        ratio = f"ours is {ours / seconds:6.2f} of it"
        print(f"  {reader:<24} {seconds:8.3f} s   {ratio}   {worked:7.2f} s of processor {mb_text} MB  {share}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="60 slices of 256² and 100², 400 files to list")
    parser.add_argument("--only", help="one of: CT, CT RLE, CT JPEG 2000, PET, listing")
    parser.add_argument("--folder", type=Path, help="write here, keep it, and use what is already there")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        case, reader, folder = arguments.work
        work(case, reader, Path(folder))
        return
    readers = [r for r in READERS if r != "dcm2niix" or shutil.which("dcm2niix")]
    if "dcm2niix" not in readers:
        print("dcm2niix is not installed and left out (apt-get install dcm2niix)")
    slices, ct_size, pet_size, per_series = (60, 256, 100, 10) if arguments.quick else (400, 512, 200, 125)
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.folder or Path(temporary)
        for case in (*SYNTAXES, "PET", "listing"):
            if arguments.only not in {None, case}:
                continue
            folder = base / case.replace(" ", "-")
            if case == "listing":
                for k in range(0 if folder.exists() else 40):
                    write_series(folder / f"{k:02d}", "PT", per_series, pet_size)
                compare(case, folder, list(LISTERS), arguments.rounds, None)
                continue
            size, bytes_each = (pet_size, 4) if case == "PET" else (ct_size, 2)
            if not folder.exists():
                write_series(folder, "PT" if case == "PET" else "CT", slices, size, SYNTAXES.get(case))
            compare(case, folder, readers, arguments.rounds, slices * size**2 * bytes_each / 2**20)
            if arguments.folder is None:
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
