"""Short ways to say what a lesion is."""

from dotaliver.records.study import Lesion, SeriesIdentity


def lesion(label=1, *, peak=4.0, size=20.0, short=15.0, source="pet", in_liver=True, marks=(), flags=()) -> Lesion:
    extent = size if source == "pet" else None
    return Lesion(
        label=label,
        in_liver=in_liver,
        liver_share=1.0 if in_liver else 0.0,
        suv_max=None if peak is None else 1.1 * peak,
        suv_mean=None if peak is None else 0.8 * peak,
        suv_peak=peak,
        suv_peak_centre_lps_mm=None,
        volume_ml=4.0,
        total_uptake=None,
        ratio_to_liver=None,
        max_ratio_to_liver=None,
        mean_ratio_to_liver=None,
        krenning=None,
        longest_diameter_mm=size,
        short_axis_mm=short,
        diameter_source=source,
        diameter=None,
        pet_extent_mm=extent,
        centroid_lps_mm=(0.0, 0.0, 0.0),
        marks=marks,
        flags=flags,
    )


def ct(spacing_mm=3.0, thickness_mm=3.0) -> SeriesIdentity:
    return SeriesIdentity(
        modality="CT",
        series_instance_uid="1.2.3",
        shape=(10, 10, 10),
        spacing_mm=(spacing_mm, 0.8, 0.8),
        slice_thickness_mm=thickness_mm,
        sop_instance_uids=(),
        pixel_sha256="0",
        chosen_because="the only one",
    )
