"""Segmentations as other programs write them, by highdicom, on series of the factory."""

import highdicom
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid


def segment(number, label, *, tracking=None, kind=codes.SCT.Neoplasm):
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=kind,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_id=tracking,
        tracking_uid=generate_uid() if tracking else None,
    )


def write_seg(path, folder, planes, segments, *, kind="BINARY", **changes):
    """A SEG by highdicom; `planes` are (slices, rows, columns, segments) in the order of the files (label map: 3-D)."""
    sources = [pydicom.dcmread(p) for p in sorted(folder.glob("*.dcm"))]
    for source in sources:
        source.AccessionNumber = source.StudyID = source.ReferringPhysicianName = source.PatientBirthDate = ""
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=planes.astype(np.float32) if kind == "FRACTIONAL" else planes.astype(np.uint8),
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=50,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        **changes,
    )
    seg.save_as(path)
    return path


def changed(path, **elements):
    ds = pydicom.dcmread(path)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.save_as(path)
    return path
