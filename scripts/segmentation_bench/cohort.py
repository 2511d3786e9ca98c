"""The studies of the bench: phantom families, combinations of them kept back, and real CTs with a simulated PET.

Nothing is tuned on `COMBINATIONS`, nor on the families of `HELD_OUT`. The combinations have fixed seeds and are
reported apart; a change is measured on them once, when it is finished. `mixtures.MIXTURES` are difficulties on purpose.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diameter_bench.table import caliper_mm

from dotaliver.image.volume import LabelMap
from dotaliver.phantom.families import FAMILIES, HELD_OUT, family_spec
from dotaliver.phantom.presets import base_spec, confluent, match_enhancement
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.records.study import StudyVolumes
from segmentation_bench import real
from segmentation_bench.mixtures import MIXTURES, mixture_spec

KINDS = ("phantom", "combined", "mixture", "real")

# Several difficulties at once. The last family draws the lesions.
COMBINATIONS: dict[str, tuple[str, ...]] = {
    "confluent_over_stomach": ("native", "left_over_spleen", "gut_touching", "burden_60_80"),
    "confluent_hot_neighbours": ("hot_bowel", "spleen_hot", "burden_60_80"),
    "confluent_low_dose": ("kidney_low_dose", "burden_80_97"),
    "fatty_under_heart": ("fatty", "heart_touching", "burden_20_60"),
    "dome_moved": ("breathing", "dome"),
    "cut_and_moved": ("breathing", "kidney_indenting", "truncated"),
    "faint_low_counts": ("low_counts", "faint"),
    "cirrhosis_ascites": ("cirrhosis", "ascites"),
    "upper_pole_low_dose": ("kidney_low_dose", "kidney_upper_pole"),
}


def _of_one_uptake(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Confluent disease of one uptake, which may be that of a normal liver in another patient."""
    spec = confluent(spec, rng, float(rng.uniform(0.55, 0.95)))
    contrast = float(np.exp(rng.uniform(np.log(1.5), np.log(5.0))))
    lesions = (
        lesion.model_copy(update={"contrast": contrast * float(np.exp(rng.normal(0.0, 0.06)))})
        for lesion in spec.lesions
    )
    return spec.model_copy(update={"lesions": tuple(lesions)})


def _stomach_like_liver(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """A stomach against the left lobe whose wall takes up 0.9 to 1.4 times what the liver does.

    Its content, cold, is about as dense as the fatty liver on a plain CT.
    """
    spec = FAMILIES["native"](FAMILIES["gut_touching"](spec, rng), rng)
    liver_suv = float(rng.uniform(*spec.uptake.liver))
    stomach_suv = liver_suv * float(rng.uniform(0.9, 1.4))
    as_liver = {"liver": (liver_suv, liver_suv), "stomach_wall": (stomach_suv, stomach_suv)}
    return spec.model_copy(
        update={
            "uptake": spec.uptake.model_copy(update=as_liver),
            "liver": spec.liver.model_copy(update={"fat_hu": float(rng.uniform(26, 36))}),
        }
    )


# Families of this bench alone
OWN_FAMILIES = {"burden_of_one_uptake": _of_one_uptake, "stomach_like_liver": _stomach_like_liver}


@dataclass(frozen=True)
class LesionKnown:
    """One true lesion: size of the ball of its volume, and its uptake over that of normal liver."""

    label: int
    diameter_mm: float
    contrast: float
    volume_ml: float


@dataclass(frozen=True, eq=False)
class Case:
    """A study with what is true of it: the liver where the CT shows it, lesions where the PET does."""

    name: str
    family: str
    kind: str
    volumes: StudyVolumes
    liver: LabelMap
    lesions_on_pet: LabelMap
    lesions: tuple[LesionKnown, ...]
    liver_suv: float
    burden: float
    burden_whole: float
    inc7: str
    shift_mm: float | None
    """How far the PET shows the liver above the CT, where that is known."""
    exc6: str | None = None
    """Whether a lesion of the liver is receptor-negative, where that is known."""
    largest_mm: float | None = None
    """Longest in-plane diameter of the largest lesion on CT, where that is known."""


@dataclass(frozen=True)
class Entry:
    """A case by name, to be made when it is needed."""

    name: str
    family: str
    kind: str
    seed: int

    def make(self, data: Path | None) -> Case:
        """Build the case; real ones need the folder of real data."""
        if self.kind != "real":
            return _phantom(self)
        if data is None:
            msg = f"{self.name} needs the real data"
            raise FileNotFoundError(msg)
        return _real(self, data)


def entries(per_family: int, drawn_seed: int, data: Path | None, *, fresh: bool = False) -> list[Entry]:
    """Every family `per_family` times (the last time from the seed drawn at run time), combinations, real anatomies.

    A fresh cohort has every phantom from the drawn seed. Mixtures always do.
    """
    found = []
    for family in (*FAMILIES, *OWN_FAMILIES):
        base = zlib.crc32(family.encode()) % 100_000 * 10
        seeds = [*(base + n for n in range(per_family - 1)), base + 7_000_000 + drawn_seed]
        if fresh:
            seeds = [_drawn(family, drawn_seed, n) for n in range(per_family)]
        found += [Entry(f"{family}-{seed}", family, "phantom", seed) for seed in seeds]
    for name in MIXTURES:
        seeds = [_drawn(name, drawn_seed, n) for n in range(per_family)]
        found += [Entry(f"{name}-{seed}", name, "mixture", seed) for seed in seeds]
    for name in COMBINATIONS:
        base = zlib.crc32(name.encode()) % 100_000 * 10
        found += [Entry(f"{name}-{base + n}", name, "combined", base + n) for n in range(per_family)]
    if data is not None:
        found += [Entry(name, family, "real", seed) for name, family, seed in real.names(data, per_family)]
    return found


def _drawn(name: str, drawn_seed: int, number: int) -> int:
    return 10_000_000 + zlib.crc32(f"{name} {drawn_seed} {number}".encode()) % 90_000_000


def held_out(family: str) -> bool:
    """Whether nothing was tuned on a family."""
    return family in HELD_OUT or family in COMBINATIONS


def _spec(entry: Entry) -> PhantomSpec:
    """The specification of a phantom: of one family, or of several one after the other."""
    if entry.family in OWN_FAMILIES:
        spec = base_spec(entry.family, entry.seed, "medium")
        return match_enhancement(OWN_FAMILIES[entry.family](spec, stream(entry.seed, f"family {entry.family}")))
    if entry.family in MIXTURES:
        return mixture_spec(entry.family, entry.seed)
    if entry.family not in COMBINATIONS:
        return family_spec(entry.family, entry.seed)
    spec = base_spec(entry.family, entry.seed, "medium")
    for part in COMBINATIONS[entry.family]:
        spec = FAMILIES[part](spec, stream(entry.seed, f"family {part}"))
    return match_enhancement(spec)


def _phantom(entry: Entry) -> Case:
    spec = _spec(entry)
    study = make_phantom(spec)
    truth = study.truth
    lesions = tuple(LesionKnown(x.label, x.diameter_mm, x.contrast, x.volume_ml) for x in truth.lesions)
    tumour_ml = sum(x.volume_ml for x in truth.lesions)
    return Case(
        entry.name,
        entry.family,
        entry.kind,
        study_volumes(study),
        study.liver,
        study.lesions_on_pet,
        lesions,
        truth.liver_suv,
        truth.burden,
        tumour_ml / truth.liver_ml_whole,
        truth.expected["INC7"],
        -spec.scanner.breathing_shift_mm,
        _receptor_negative(lesions),
        _largest_mm(study.lesions),
    )


def _receptor_negative(lesions: tuple[LesionKnown, ...]) -> str:
    """What Exclusion 6 should be for the liver: a lesion under 10 mm shows on no PET whether it takes up."""
    cold = [x.diameter_mm for x in lesions if x.contrast < 1.0]
    return "not_met" if not cold else "met" if max(cold) >= 10.0 else "indeterminate"


def _largest_mm(lesions: LabelMap) -> float:
    sizes = (caliper_mm(np.asarray(lesions.array[box] == label), lesions.geometry) for label, box in lesions.boxes())
    return max(sizes, default=0.0)


def _real(entry: Entry, data: Path) -> Case:
    from dotaliver.phantom.truth import LesionTruth, expected_inc7

    made = real.make(entry.name, entry.family, entry.seed, data)
    lesions = _measured(made.lesions_on_pet, made.contrasts)
    plain: dict[str, Any] = {"centre_lps_mm": (0, 0, 0), "centre_on_pet_lps_mm": (0, 0, 0), "hu": 0.0, "cold": False}
    plain |= {"necrotic_core": False, "necrotic_core_ml": 0.0, "in_ct_field": True, "suv": 0.0}
    truths = tuple(
        LesionTruth(label=x.label, diameter_mm=x.diameter_mm, volume_ml=x.volume_ml, contrast=x.contrast, **plain)
        for x in lesions
    )
    return Case(
        entry.name,
        entry.family,
        "real",
        made.volumes,
        made.liver,
        made.lesions_on_pet,
        lesions,
        made.liver_suv,
        made.burden,
        made.burden,
        expected_inc7(truths),
        None,
    )


def _measured(labels: LabelMap, contrasts: dict[int, float]) -> tuple[LesionKnown, ...]:
    lesions = []
    for label in labels.labels:
        volume_ml = labels.volume_ml(label)
        diameter = float(np.cbrt(6000 * volume_ml / np.pi))
        lesions.append(LesionKnown(label, diameter, contrasts[label], volume_ml))
    return tuple(lesions)
