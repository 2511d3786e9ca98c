"""Named phantoms: what `dotaliver sample` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from dotaliver.errors import ConfigError
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import (
    ContrastPhase,
    LesionPlace,
    LesionSpec,
    LiverSpec,
    MatrixName,
    NeighbourSpec,
    PatientSpec,
    PhantomSpec,
    ScannerSpec,
)

__all__ = ["PRESETS", "avid_lesion", "base_spec", "confluent", "match_enhancement", "preset", "several_lesions"]

_NOMINAL_LIVER_ML = 1500.0


def _patient(rng: np.random.Generator) -> PatientSpec:
    sex: Literal["M", "F"] = "F" if rng.random() < 0.5 else "M"
    height_m = round(float(rng.normal(1.64 if sex == "F" else 1.77, 0.06)), 2)
    bmi = float(np.clip(rng.normal(25.5, 3.5), 19, 36))
    weight_kg = round(bmi * height_m**2, 1)
    frame = float(np.clip(1 + (height_m - 1.71) * 0.35, 0.92, 1.08))
    return PatientSpec(
        sex=sex,
        weight_kg=weight_kg,
        height_m=height_m,
        width_scale=frame * float(rng.uniform(0.97, 1.04)),
        depth_scale=frame * float(rng.uniform(0.95, 1.06)),
        height_scale=frame * float(rng.uniform(0.97, 1.03)),
        subcutaneous_fat_mm=float(np.clip(6 + (bmi - 19) * 1.9, 6, 38)),
        muscle_mm=float(rng.uniform(9, 13)),
    )


def _scanner(rng: np.random.Generator, matrix: MatrixName) -> ScannerSpec:
    phases: tuple[ContrastPhase, ...] = ("native", "arterial", "portal", "portal", "portal", "late")
    phase = phases[int(rng.integers(len(phases)))]
    common = {
        "contrast_phase": phase,
        "ct_noise_hu": float(rng.uniform(11, 18)),
        "pet_resolution_mm": float(rng.uniform(5.2, 6.8)),
        "pet_liver_cov": float(rng.uniform(0.105, 0.145)),
        "breathing_shift_mm": round(float(rng.uniform(0, 9)), 1),
    }
    if matrix == "small":
        grids = {"ct_matrix": 128, "ct_pixel_mm": 3.5, "ct_slice_mm": 5.0, "ct_resolution_mm": 1.5}
        grids |= {"pet_matrix": 72, "pet_pixel_mm": 6.0, "pet_slice_mm": 5.0}
        return ScannerSpec.model_validate(common | grids)
    pixel = float(np.round(rng.uniform(0.86, 0.977), 3))
    if matrix == "medium":
        common |= {"ct_matrix": 256, "pet_matrix": 100}
        pixel *= 2
    return ScannerSpec.model_validate(
        common | {"ct_pixel_mm": pixel, "ct_slice_mm": float(rng.choice([3.0, 4.0, 5.0]))}
    )


def _liver(rng: np.random.Generator) -> LiverSpec:
    return LiverSpec(
        right_scale=float(rng.uniform(0.8, 1.2)),
        left_scale=float(rng.uniform(0.8, 1.2)),
        left_length=float(rng.uniform(0.65, 1.3)),
        riedel_mm=float(rng.uniform(0, 40)) if rng.random() < 0.25 else 0.0,
        surface_noise_mm=float(rng.uniform(2.0, 4.0)),
        fat_hu=float(rng.uniform(0, 15)) if rng.random() < 0.3 else 0.0,
        uptake_texture=float(rng.uniform(0.03, 0.06)),
    )


def _neighbours(rng: np.random.Generator) -> NeighbourSpec:
    return NeighbourSpec(
        kidney_gap_mm=float(rng.uniform(0, 4)),
        stomach_gap_mm=float(rng.uniform(0, 3)),
        colon_gap_mm=float(rng.uniform(0, 3)),
        gallbladder=bool(rng.random() < 0.85),
        spleen_scale=float(rng.uniform(0.85, 1.2)),
        hot_bowel_loops=int(rng.integers(1, 5)),
    )


def avid_lesion(rng: np.random.Generator, diameter_mm: float) -> LesionSpec:
    """A tumour of a given size: 1.6 to 7.5 times liver, some with a necrotic core, some at the capsule."""
    necrotic = diameter_mm > 28 and rng.random() < 0.4
    place: LesionPlace = "inside" if rng.random() < 0.7 else "capsule"
    return LesionSpec(
        diameter_mm=diameter_mm,
        contrast=float(np.exp(rng.uniform(np.log(1.6), np.log(7.5)))),
        hu_difference=float(rng.uniform(-45, 8)),
        place=place,
        elongation=float(rng.uniform(1.0, 1.45)),
        roughness=float(rng.uniform(0.05, 0.14)),
        core_fraction=float(rng.uniform(0.4, 0.6)) if necrotic else 0.0,
    )


def several_lesions(rng: np.random.Generator) -> tuple[LesionSpec, ...]:
    """Lesions of 6 to 40 mm that fill 6 to 12 % of a usual liver."""
    wanted_ml = rng.uniform(0.07, 0.12) * _NOMINAL_LIVER_ML
    lesions, filled_ml = [avid_lesion(rng, float(rng.uniform(6, 8)))], 0.0
    while filled_ml < wanted_ml:
        diameter = float(rng.uniform(8, 39))
        lesions.append(avid_lesion(rng, diameter))
        filled_ml += np.pi / 6 * diameter**3 / 1000
    return tuple(lesions)


def _moderate(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    return spec.model_copy(update={"lesions": several_lesions(rng)})


def _clean(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:  # noqa: ARG001
    return spec


def confluent(spec: PhantomSpec, rng: np.random.Generator, burden: float) -> PhantomSpec:
    """Confluent disease that fills a given share of an enlarged liver; one part of it is spared."""
    sizes = np.exp(rng.uniform(np.log(22), np.log(62), int(rng.integers(45, 75))))
    lesions = [avid_lesion(rng, float(size)).model_copy(update={"place": "anywhere"}) for size in sizes]
    larger = spec.liver.model_copy(
        update={"right_scale": 1.5, "left_scale": 1.25, "riedel_mm": float(rng.uniform(10, 50))}
    )
    return spec.model_copy(
        update={"lesions": tuple(lesions), "liver": larger, "burden": burden, "spared_share": (1 - burden) * 0.6}
    )


def _massive(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    return confluent(spec, rng, float(rng.uniform(0.83, 0.92)))


def _borderline(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Burden within 2 percentage points of the limit: not decidable on images."""
    return confluent(spec, rng, float(rng.uniform(0.78, 0.82)))


def _faint(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Lesions of 12 to 40 mm that take up 1.2 to 1.5 times as much as liver."""
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(
            update={"contrast": float(rng.uniform(1.2, 1.5)), "core_fraction": 0.0}
        )
        for size in rng.uniform(12, 40, int(rng.integers(3, 7)))
    )
    return spec.model_copy(update={"lesions": lesions})


def _truncated(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """The field of view of CT and PET ends within the liver, at its top or at its bottom."""
    if rng.random() < 0.5:
        top = float(rng.uniform(30, 65))
        ends = {"ct_top_mm": top, "pet_top_mm": top}
    else:
        bottom = float(rng.uniform(-60, -25))
        ends = {"ct_bottom_mm": bottom, "pet_bottom_mm": bottom}
    scanner = spec.scanner.model_copy(update=ends)
    return spec.model_copy(update={"lesions": several_lesions(rng), "scanner": scanner})


def _noisy(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Few counts: voxels of normal liver vary by 20 %."""
    scanner = spec.scanner.model_copy(update={"pet_liver_cov": 0.20})
    return spec.model_copy(update={"lesions": several_lesions(rng), "scanner": scanner})


def _cold(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """One receptor-negative lesion visible on CT, and some avid ones."""
    negative = LesionSpec(
        diameter_mm=float(rng.uniform(17, 29)),
        contrast=float(rng.uniform(0.25, 0.6)),
        hu_difference=float(rng.uniform(-45, -30)),
        roughness=0.06,
    )
    avid = tuple(avid_lesion(rng, float(size)) for size in rng.uniform(8, 28, int(rng.integers(3, 6))))
    scanner = spec.scanner
    if scanner.contrast_phase in {"native", "arterial"}:
        scanner = scanner.model_copy(update={"contrast_phase": "portal"})
    return spec.model_copy(update={"lesions": (negative, *avid), "scanner": scanner})


PRESETS: dict[str, Callable[[PhantomSpec, np.random.Generator], PhantomSpec]] = {
    "moderate": _moderate,
    "massive": _massive,
    "clean": _clean,
    "cold": _cold,
    "borderline": _borderline,
    "faint": _faint,
    "truncated": _truncated,
    "noisy": _noisy,
}


def match_enhancement(spec: PhantomSpec) -> PhantomSpec:
    """Lower the contrast of lesions where parenchyma is hardly enhanced."""
    if spec.scanner.contrast_phase in {"portal", "late"}:
        return spec
    lesions = tuple(n.model_copy(update={"hu_difference": 0.5 * n.hu_difference}) for n in spec.lesions)
    return spec.model_copy(update={"lesions": lesions})


def preset(name: str, seed: int, matrix: MatrixName = "clinical") -> PhantomSpec:
    """The specification of a named phantom.

    Parameters
    ----------
    name : str
        One of `PRESETS`.
    seed : int
        Everything that the preset leaves open follows from it.
    matrix : {"clinical", "medium", "small"}
        CT 512² and PET 200², half of that (for benches), or coarse grids of the same patient for quick tests.

    Raises
    ------
    ConfigError
        Where there is no preset of that name.
    """
    if name not in PRESETS:
        msg = f"there is no phantom preset {name!r}; choose one of {', '.join(PRESETS)}"
        raise ConfigError(msg)
    return match_enhancement(PRESETS[name](base_spec(name, seed, matrix), stream(seed, f"preset {name}")))


def base_spec(name: str, seed: int, matrix: MatrixName) -> PhantomSpec:
    """A patient without lesions, drawn from the seed: size, liver, neighbours and scanner."""
    rng = stream(seed, "patient")
    return PhantomSpec(
        name=name,
        seed=seed,
        matrix=matrix,
        patient=_patient(rng),
        liver=_liver(rng),
        neighbours=_neighbours(rng),
        scanner=_scanner(stream(seed, "scanner"), matrix),
    )
