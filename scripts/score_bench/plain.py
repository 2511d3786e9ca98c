"""A liver score as it is written with plain SimpleITK, scipy, pydicom, matplotlib and highdicom, timed per stage.

    python scripts/score_bench/plain.py STUDY OUT STARTED

The steps are those of `dotaliver score`, each in the way that these libraries' manuals show: whole images, thresholds,
scipy's distance maps. Nothing of dotaliver is imported, nothing is refused or doubted, and the numbers are worth
little: it is there for its time alone. Prints seconds and peak memory per stage as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

STARTED = float(sys.argv[3])
seconds: dict[str, float] = {}
processor: dict[str, float] = {}
memory: dict[str, float] = {}
last, spent = [STARTED], [0.0]


def end_of(stage: str) -> None:
    """Charge the time since the last stage's end to this one."""
    now, used = time.monotonic(), time.process_time()
    seconds[stage] = seconds.get(stage, 0.0) + now - last[0]
    processor[stage] = processor.get(stage, 0.0) + used - spent[0]
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    memory[stage] = float(line.split()[1]) / 1024
    last[0], spent[0] = now, used


import numpy as np  # noqa: E402
import pydicom  # noqa: E402
import SimpleITK as sitk  # noqa: E402, N813
from scipy import ndimage  # noqa: E402
from scipy.spatial.distance import pdist  # noqa: E402

end_of("import")
Array = Any


def series_files(folder: Path) -> dict[str, list[str]]:
    """Files of the CT and of the PET, sorted, by modality."""
    found: dict[str, list[str]] = {}
    for directory in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(directory)):
            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(directory), uid)
            modality = str(pydicom.dcmread(files[0], stop_before_pixels=True).Modality)
            if len(files) > len(found.get(modality, ())):
                found[modality] = list(files)
    return found


def read_image(files: list[str]) -> Any:
    """One series as an image of floats."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    reader.SetOutputPixelType(sitk.sitkFloat32)
    return reader.Execute()


def suv_factor(header: Any) -> float:
    """Bq/ml to SUV by body weight, decayed to the start of the series."""
    dose = header.RadiopharmaceuticalInformationSequence[0]
    start = datetime.strptime(str(header.SeriesTime)[:6], "%H%M%S")
    given = datetime.strptime(str(dose.RadiopharmaceuticalStartTime)[:6], "%H%M%S")
    waited_s = (start - given).total_seconds()
    left = float(dose.RadionuclideTotalDose) * 0.5 ** (waited_s / float(dose.RadionuclideHalfLife))
    return float(header.PatientWeight) * 1000.0 / left


def ball(radius_mm: float, spacing: Any) -> Array:
    """A sphere as a structuring element."""
    reach = [int(radius_mm // s) for s in spacing]
    k, j, i = np.mgrid[tuple(slice(-n, n + 1) for n in reach)]
    return (k * spacing[0]) ** 2 + (j * spacing[1]) ** 2 + (i * spacing[2]) ** 2 <= radius_mm**2


def find_liver(hu: Array, uptake: Array, spacing: Any) -> Array:
    """The largest warm soft-tissue part, smoothed, on the CT's grid."""
    smooth = ndimage.gaussian_filter(hu, [2.0 / s for s in spacing])
    warm = ndimage.gaussian_filter(uptake, [4.0 / s for s in spacing]) > 2.0
    mask = ndimage.binary_opening((smooth > 0) & (smooth < 250) & warm, ball(6.0, spacing))
    parts, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, parts, range(1, count + 1))
    mask = ndimage.binary_closing(parts == 1 + int(np.argmax(sizes)), ball(6.0, spacing))
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def longest_mm(mask: Array, spacing: Any) -> float:
    """Longest in-plane distance of a mask's border."""
    best = 0.0
    for plane in mask:
        rim = np.argwhere(plane & ~ndimage.binary_erosion(plane)) * spacing[1:]
        if len(rim) > 1:
            best = max(best, float(pdist(rim).max()))
    return best


def outlined_on_ct(hu: Array, place: Array, box: Any, spacing: Any) -> float:
    """Longest diameter of a lesion whose border is looked for on CT by Otsu's threshold around its place."""
    grown = tuple(slice(max(b.start - 12, 0), b.stop + 12) for b in box)
    part = ndimage.gaussian_filter(hu[grown], [1.0 / s for s in spacing])
    otsu = sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.GetImageFromArray(np.clip(part, -50, 200)), 1, 0)) > 0
    parts, _ = ndimage.label(otsu == (np.median(otsu[place[grown]]) > 0.5))
    owner = np.bincount(parts[place[grown]]).argmax()
    return longest_mm(parts == owner, spacing)


def main() -> None:  # noqa: PLR0915 -- a script as it is written
    """Score, write, and say how long each stage took."""
    study, out = Path(sys.argv[1]), Path(sys.argv[2])
    files = series_files(study)
    end_of("headers")
    ct, pet = read_image(files["CT"]), read_image(files["PT"])
    pet_header = pydicom.dcmread(files["PT"][0], stop_before_pixels=True)
    suv = sitk.GetArrayFromImage(pet) * suv_factor(pet_header)
    hu = sitk.GetArrayFromImage(ct)
    ct_spacing, pet_spacing = ct.GetSpacing()[::-1], pet.GetSpacing()[::-1]
    end_of("reading")

    suv_image = sitk.GetImageFromArray(suv)
    suv_image.CopyInformation(pet)
    uptake = sitk.GetArrayFromImage(sitk.Resample(suv_image, ct, sitk.Transform(), sitk.sitkLinear, 0.0))
    liver = find_liver(hu, uptake, ct_spacing)
    end_of("liver")

    liver_image = sitk.GetImageFromArray(liver.astype(np.uint8))
    liver_image.CopyInformation(ct)
    on_pet = sitk.GetArrayFromImage(sitk.Resample(liver_image, pet, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    depth = ndimage.distance_transform_edt(on_pet, sampling=pet_spacing)
    sphere = ball(15.0, pet_spacing).astype(np.float32)
    mean = ndimage.convolve(suv, sphere / sphere.sum())
    square = ndimage.convolve(suv * suv, sphere / sphere.sum())
    spread = np.where(depth > 20.0, np.sqrt(np.maximum(square - mean**2, 0)), np.inf)
    place = np.unravel_index(spread.argmin(), spread.shape)
    normal, sd = float(mean[place]), float(spread[place])
    lesions, count = ndimage.label((suv > 1.5 * normal + 2 * sd) & on_pet)
    boxes = ndimage.find_objects(lesions)
    kept = [n for n in range(1, count + 1) if np.count_nonzero(lesions[boxes[n - 1]] == n) * np.prod(pet_spacing) > 500]
    end_of("lesions, reference")

    lesion_image = sitk.GetImageFromArray(lesions.astype(np.uint16))
    lesion_image.CopyInformation(pet)
    on_ct = sitk.GetArrayFromImage(sitk.Resample(lesion_image, ct, sitk.Transform(), sitk.sitkNearestNeighbor))
    ct_boxes = ndimage.find_objects(on_ct.astype(np.int32))
    seen = [n for n in kept if n <= len(ct_boxes) and ct_boxes[n - 1] is not None]
    diameters = {n: outlined_on_ct(hu, on_ct == n, ct_boxes[n - 1], ct_spacing) for n in seen}
    end_of("lesions on CT")

    kernel = ball(6.2, pet_spacing).astype(np.float32)
    peaks = ndimage.convolve(suv, kernel / kernel.sum())
    rows = []
    for n in kept:
        own = lesions == n
        rows.append(
            {
                "label": n,
                "suv_max": float(suv[own].max()),
                "suv_mean": float(suv[own].mean()),
                "suv_peak": float(peaks[own].max()),
                "volume_ml": float(own.sum() * np.prod(pet_spacing) / 1000),
                "extent_mm": longest_mm(own, pet_spacing),
                "diameter_mm": diameters.get(n),
            }
        )
    tumour = np.isin(on_ct, kept)
    voxel_ml = np.prod(ct_spacing) / 1000
    to_tumour = ndimage.distance_transform_edt(~tumour, sampling=ct_spacing)
    in_tumour = ndimage.distance_transform_edt(tumour, sampling=ct_spacing)
    to_liver = ndimage.distance_transform_edt(~liver, sampling=ct_spacing)
    in_liver = ndimage.distance_transform_edt(liver, sampling=ct_spacing)
    low = (in_tumour > 1.5).sum() / (to_liver < 1.5).sum()
    high = ((to_tumour < 1.5) & liver).sum() / (in_liver > 1.5).sum()
    score = {
        "liver_ml": float(liver.sum() * voxel_ml),
        "normal": normal,
        "burden": [float(low), float((tumour & liver).sum() / liver.sum()), float(high)],
        "lesions": rows,
    }
    end_of("measuring")
    report(out, (hu, uptake, suv, liver, on_ct), rows)
    end_of("report")
    dicom_objects(out, files, (liver, on_pet, lesions), kept, rows)
    end_of("DICOM")
    (out / "score.json").write_text(json.dumps(score, indent=2))
    end_of("writing")
    print(json.dumps({"seconds": seconds, "processor": processor, "memory": memory}))


def report(out: Path, images: tuple[Array, ...], rows: list[dict[str, Any]]) -> None:
    """Projections, six levels, each lesion, and a table, as one page with its pictures in it."""
    import base64
    import io

    from matplotlib.figure import Figure

    hu, uptake, suv, liver, on_ct = images
    page = ["<h1>Liver score</h1>"]

    def picture(draw: Any, width: float = 4.0, height: float = 4.0) -> None:
        figure = Figure(figsize=(width, height), dpi=110)
        draw(figure.add_axes((0, 0, 1, 1)))
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        page.append(f'<img src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">')

    def level(axes: Any, k: int, rows_of: slice = slice(None), columns: slice = slice(None)) -> None:
        axes.imshow(hu[k, rows_of, columns], cmap="gray", vmin=-110, vmax=190)
        axes.imshow(uptake[k, rows_of, columns], cmap="hot", vmin=0, vmax=20, alpha=0.4)
        for mask in (liver, on_ct > 0):
            if mask[k, rows_of, columns].any():
                axes.contour(mask[k, rows_of, columns], levels=[0.5])

    for axis in (1, 2):
        picture(lambda axes, axis=axis: axes.imshow(suv.max(axis=axis)[::-1], cmap="gray_r", vmax=20))
    heights = np.flatnonzero(liver.any(axis=(1, 2)))
    for k in np.linspace(heights[0], heights[-1], 8).astype(int)[1:-1]:
        picture(lambda axes, k=k: level(axes, k))
    for row in sorted(rows, key=lambda r: -r["suv_max"])[:12]:
        where = np.argwhere(on_ct == row["label"])
        if len(where):
            k, j, i = where.mean(axis=0).astype(int)
            around = (slice(max(j - 60, 0), j + 60), slice(max(i - 60, 0), i + 60))
            picture(lambda axes, k=k, around=around: level(axes, k, *around))
    picture(lambda axes: axes.hist(uptake[liver], 80), 6.0, 2.5)
    page += [f"<tr>{''.join(f'<td>{value}</td>' for value in row.values())}</tr>" for row in rows]
    (out / "report.html").write_text("\n".join(page))


def dicom_objects(
    out: Path, files: dict[str, list[str]], masks: tuple[Array, ...], kept: list[int], rows: list[dict[str, Any]]
) -> None:
    """Liver and lesions as segmentations, and the lesions' numbers as a structured report."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    liver, on_pet, lesions = masks
    algorithm = hd.AlgorithmIdentificationSequence("plain", codes.DCM.ArtificialIntelligence, "1")
    headers = {name: [pydicom.dcmread(f, stop_before_pixels=True) for f in found] for name, found in files.items()}

    def segmentation(name: str, pixels: Array, labels: list[str]) -> Any:
        described = [
            hd.seg.SegmentDescription(n, label, codes.SCT.Organ, codes.SCT.Liver, "AUTOMATIC", algorithm)
            for n, label in enumerate(labels, start=1)
        ]
        return hd.seg.Segmentation(
            headers[name], pixels, "BINARY", described, hd.UID(), 9001, hd.UID(), 1, "plain", "plain", "1", "1"
        )

    order = {n: place for place, n in enumerate(kept, start=1)}
    table = np.zeros(int(lesions.max()) + 1, dtype=np.uint8)
    for n, place in order.items():
        table[n] = place
    on_ct = segmentation("CT", liver.astype(np.uint8), ["Liver"])
    on_ct.save_as(out / "segmentation_ct.dcm")
    names = [f"Lesion {n}" for n in kept] or ["Liver"]
    on_the_pet = segmentation("PT", table[lesions] if kept else on_pet.astype(np.uint8), names)
    on_the_pet.save_as(out / "segmentation.dcm")
    source = hd.sr.SourceSeriesForSegmentation(headers["PT"][0].SeriesInstanceUID)
    groups = [
        hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), f"Lesion {row['label']}"),
            referenced_segment=hd.sr.ReferencedSegment(
                on_the_pet.SOPClassUID, on_the_pet.SOPInstanceUID, order[row["label"]], source_series=source
            ),
            measurements=[
                hd.sr.Measurement(
                    name=codes.SCT.Volume,
                    value=round(row["volume_ml"], 2),
                    unit=hd.sr.CodedConcept("ml", "UCUM", "milliliter"),
                )
            ]
            * 4,
        )
        for row in rows
    ]
    if not groups:
        return
    observer = hd.sr.ObserverContext(
        codes.DCM.Device, hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="plain")
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.PETWholeBody,
        imaging_measurements=groups,
    )
    evidence = [*headers["PT"], on_the_pet]
    document = hd.sr.Comprehensive3DSR(
        evidence, content, hd.UID(), 9003, hd.UID(), 1, "plain", is_complete=True, is_final=False
    )
    document.save_as(out / "measurements.dcm")


if __name__ == "__main__":
    main()
