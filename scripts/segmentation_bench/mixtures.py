"""Studies on which a definite answer is easily wrong: several difficulties at once, each on purpose.

They are small, have seeds of their own and are in no other part of the bench (``--kind mixture``). Nothing is tuned on
one: a wrong answer is mended at its cause and held against further seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dotaliver.phantom.families import FAMILIES
from dotaliver.phantom.presets import avid_lesion, base_spec, confluent, match_enhancement
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import LesionSpec, PhantomSpec

__all__ = ["MIXTURES", "mixture_spec"]

Draw = Callable[[PhantomSpec, np.random.Generator], PhantomSpec]


def _family(name: str) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        return FAMILIES[name](spec, rng)

    return draw


def _without_lesions(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:  # noqa: ARG001
    return spec.model_copy(update={"lesions": (), "burden": None, "spared_share": 0.0})


def _confluent(low: float, high: float) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        return confluent(spec, rng, float(rng.uniform(low, high)))

    return draw


def _of_own_size(low: float, high: float) -> Draw:
    """Confluent disease in a liver that keeps its size."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        return confluent(spec, rng, float(rng.uniform(low, high))).model_copy(update={"liver": spec.liver})

    return draw


def _many(
    sizes_mm: tuple[float, float], count: int, contrast: tuple[float, float], burden: tuple[float, float]
) -> Draw:
    """Many lesions of a size that together fill a share of the liver, with no part spared."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        lesions = tuple(
            avid_lesion(rng, float(size)).model_copy(
                update={"place": "anywhere", "contrast": float(rng.uniform(*contrast)), "core_fraction": 0.0}
            )
            for size in rng.uniform(*sizes_mm, count)
        )
        return spec.model_copy(update={"lesions": lesions, "burden": float(rng.uniform(*burden))})

    return draw


def _changed_lesions(share: float = 1.0, **ranges: tuple[float, float]) -> Draw:
    """A share of the lesions with other properties, drawn evenly from ranges."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        lesions = []
        for lesion in spec.lesions:
            values = {name: float(rng.uniform(*limits)) for name, limits in ranges.items()}
            lesions.append(lesion.model_copy(update=values) if rng.random() < share else lesion)
        return spec.model_copy(update={"lesions": tuple(lesions)})

    return draw


def _one_uptake(low: float, high: float) -> Draw:
    """All lesions of one uptake, within 4 %."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        contrast = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        lesions = (x.model_copy(update={"contrast": contrast * float(rng.normal(1, 0.04))}) for x in spec.lesions)
        return spec.model_copy(update={"lesions": tuple(lesions)})

    return draw


def _uptake(**ranges: tuple[float, float]) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:  # noqa: ARG001
        return spec.model_copy(update={"uptake": spec.uptake.model_copy(update=ranges)})

    return draw


def _part(name: str, **ranges: tuple[float, float]) -> Draw:
    """Values of the patient, liver, neighbours or scanner, drawn evenly from ranges."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        values = {key: float(rng.uniform(*limits)) for key, limits in ranges.items()}
        part = getattr(spec, name)
        return spec.model_copy(update={name: type(part).model_validate(part.model_dump() | values)})

    return draw


def _necrotic_giants(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Two to four large tumours, most of each dead, in an enlarged liver."""
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(
            update={"place": "anywhere", "core_fraction": float(rng.uniform(0.6, 0.85))}
        )
        for size in rng.uniform(60, 130, int(rng.integers(2, 5)))
    )
    liver = spec.liver.model_copy(update={"right_scale": 1.4, "left_scale": 1.2})
    return spec.model_copy(update={"lesions": lesions, "liver": liver})


def _under_the_capsule(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(update={"place": "capsule", "elongation": 1.6})
        for size in rng.uniform(15, 50, int(rng.integers(10, 19)))
    )
    return spec.model_copy(update={"lesions": lesions})


def _receptor_negative_alone(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    lesions = tuple(
        LesionSpec(diameter_mm=float(size), contrast=float(rng.uniform(0.2, 0.9)), hu_difference=-25.0, roughness=0.06)
        for size in rng.uniform(12, 45, int(rng.integers(2, 6)))
    )
    return spec.model_copy(update={"lesions": lesions})


# Each draws from what stands before it; the last of those that draw lesions decides.
MIXTURES: dict[str, tuple[Draw, ...]] = {
    "gaps_near_limit": (_many((8, 20), 160, (3, 9), (0.76, 0.84)),),
    "gaps_below_limit": (_many((12, 30), 90, (4, 9), (0.66, 0.79)), _part("scanner", pet_resolution_mm=(7, 9))),
    "miliary": (_many((5, 9), 300, (3, 7), (0.15, 0.75)),),
    "embolised_confluent": (
        _confluent(0.5, 0.9),
        _changed_lesions(0.8, hu_difference=(20, 120), speckle_hu=(80, 250), core_fraction=(0.0, 0.65)),
    ),
    "embolised_few": (_family("embolised"), _family("hot_bowel"), _family("embolised")),
    "as_hot_as_spleen": (
        _family("spleen_hot"),
        _confluent(0.4, 0.9),
        _one_uptake(2.8, 3.6),
        _uptake(liver=(4.0, 5.0), spleen=(13.0, 16.0)),
    ),
    "one_uptake_own_size": (_of_own_size(0.5, 0.95), _one_uptake(1.4, 3.0)),
    "faint_massive": (_confluent(0.5, 0.95), _one_uptake(1.2, 1.8)),
    "faint_in_fatty": (_family("fatty"), _family("faint"), _uptake(liver=(2.3, 3.2))),
    "cirrhosis_burden": (_family("cirrhosis"), _family("ascites"), _family("burden_20_60")),
    "necrotic_giants": (_necrotic_giants,),
    "necrotic_massive": (_confluent(0.65, 0.92), _changed_lesions(0.7, core_fraction=(0.5, 0.8))),
    "under_the_capsule": (_family("breathing"), _under_the_capsule),
    "few_counts_massive": (_part("scanner", pet_liver_cov=(0.18, 0.28)), _confluent(0.68, 0.92)),
    "cut_massive": (_family("truncated"), _confluent(0.6, 0.9)),
    "pet_ends_massive": (_family("pet_misses_top"), _confluent(0.6, 0.9)),
    "moved_massive": (_part("scanner", breathing_shift_mm=(10, 20)), _confluent(0.72, 0.9)),
    "large_massive": (_family("hepatomegaly"), _of_own_size(0.74, 0.95)),
    "small_massive": (_family("patient_small"), _part("liver", right_scale=(0.5, 0.7)), _of_own_size(0.6, 0.92)),
    "remnant_massive": (_family("hemihepatectomy"), _of_own_size(0.6, 0.92)),
    "kidney_massive": (_family("kidney_low_dose"), _confluent(0.74, 0.9)),
    "partly_negative": (_confluent(0.6, 0.95), _changed_lesions(0.4, contrast=(0.2, 0.8), hu_difference=(-40, -10))),
    "clean_hot_neighbours": (
        _family("kidney_indenting"),
        _family("hot_bowel"),
        _family("spleen_hot"),
        _part("scanner", breathing_shift_mm=(6, 15)),
        _without_lesions,
    ),
    "clean_few_counts": (_family("fatty"), _part("scanner", pet_liver_cov=(0.2, 0.3)), _without_lesions),
    "negative_alone": (_family("kidney_touching"), _family("native"), _receptor_negative_alone),
}


def mixture_spec(name: str, seed: int) -> PhantomSpec:
    """The specification of one study of a mixture, on small grids."""
    spec = base_spec(name, seed, "small")
    for number, draw in enumerate(MIXTURES[name]):
        spec = draw(spec, stream(seed, f"{name} {number}"))
    return match_enhancement(spec)
