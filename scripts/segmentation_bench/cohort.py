"""The studies of the bench: phantom families, and real CTs with a simulated PET."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dotaliver.image.volume import LabelMap
from dotaliver.phantom.families import FAMILIES, HELD_OUT, family_spec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.records.study import StudyVolumes
from segmentation_bench import real


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


@dataclass(frozen=True)
class Entry:
    """A case by name, to be made when it is needed."""

    name: str
    family: str
    kind: str
    seed: int

    def make(self, data: Path | None) -> Case:
        """Build the case; real ones need the folder of real data."""
        if self.kind == "phantom":
            return _phantom(self)
        if data is None:
            msg = f"{self.name} needs the real data"
            raise FileNotFoundError(msg)
        return _real(self, data)


def entries(per_family: int, drawn_seed: int, data: Path | None) -> list[Entry]:
    """Every family `per_family` times (the last time from the seed drawn at run time), then the real anatomies."""
    found = []
    for family in FAMILIES:
        base = zlib.crc32(family.encode()) % 100_000 * 10
        seeds = [*(base + n for n in range(per_family - 1)), base + 7_000_000 + drawn_seed]
        found += [Entry(f"{family}-{seed}", family, "phantom", seed) for seed in seeds]
    if data is not None:
        found += [Entry(name, family, "real", seed) for name, family, seed in real.names(data, per_family)]
    return found


def held_out(family: str) -> bool:
    """Whether nothing was tuned on a family."""
    return family in HELD_OUT


def _phantom(entry: Entry) -> Case:
    study = make_phantom(family_spec(entry.family, entry.seed))
    truth = study.truth
    lesions = tuple(LesionKnown(x.label, x.diameter_mm, x.contrast, x.volume_ml) for x in truth.lesions)
    tumour_ml = sum(x.volume_ml for x in truth.lesions)
    return Case(
        entry.name,
        entry.family,
        "phantom",
        study_volumes(study),
        study.liver,
        study.lesions_on_pet,
        lesions,
        truth.liver_suv,
        truth.burden,
        tumour_ml / truth.liver_ml_whole,
        truth.expected["INC7"],
    )


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
    )


def _measured(labels: LabelMap, contrasts: dict[int, float]) -> tuple[LesionKnown, ...]:
    lesions = []
    for label in labels.labels:
        volume_ml = labels.volume_ml(label)
        diameter = float(np.cbrt(6000 * volume_ml / np.pi))
        lesions.append(LesionKnown(label, diameter, contrasts[label], volume_ml))
    return tuple(lesions)
