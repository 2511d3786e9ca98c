"""Families of phantom studies: one way in which patients, diseases or scans differ, each with many seeds.

A family changes what it is named after and leaves the rest to the seed, so that a benchmark over all families shows the
effect of each difference. `HELD_OUT` families are for the final evaluation: nothing is tuned on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dotaliver.errors import ConfigError
from dotaliver.phantom.presets import PRESETS, avid_lesion, base_spec, confluent, match_enhancement, several_lesions
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import ContrastPhase, LesionPlace, LesionSpec, MatrixName, PhantomSpec

__all__ = ["FAMILIES", "HELD_OUT", "family_spec"]

Draw = Callable[[PhantomSpec, np.random.Generator], PhantomSpec]


def _with(spec: PhantomSpec, **parts: Mapping[str, object]) -> PhantomSpec:
    """The specification with some values replaced and validated again."""
    updated = {}
    for name, values in parts.items():
        part = getattr(spec, name)
        updated[name] = type(part).model_validate(part.model_dump() | dict(values))
    return spec.model_copy(update=updated)


def _diseased(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Lesions as most patients of the trial have them."""
    return spec.model_copy(update={"lesions": several_lesions(rng)})


def _of_burden(low: float, high: float) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        burden = float(rng.uniform(low, high))
        if burden >= 0.5:
            return confluent(spec, rng, burden)
        sizes = np.exp(rng.uniform(np.log(10), np.log(50), int(rng.integers(8, 25))))
        lesions = tuple(avid_lesion(rng, float(size)) for size in sizes)
        return spec.model_copy(update={"lesions": lesions, "burden": burden})

    return draw


def _placed(place: LesionPlace) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        sizes = rng.uniform(10, 34, int(rng.integers(4, 9)))
        lesions = tuple(avid_lesion(rng, float(s)).model_copy(update={"place": place}) for s in sizes)
        return spec.model_copy(update={"lesions": lesions})

    return draw


def _specified(sizes_mm: tuple[float, float], counts: tuple[int, int], **ranges: tuple[float, float]) -> Draw:
    """Lesions of a size and number, with properties drawn evenly from ranges."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        lesions = []
        for size in rng.uniform(*sizes_mm, int(rng.integers(counts[0], counts[1] + 1))):
            values = {name: float(rng.uniform(*limits)) for name, limits in ranges.items()}
            lesions.append(avid_lesion(rng, float(size)).model_copy(update={"core_fraction": 0.0} | values))
        return spec.model_copy(update={"lesions": tuple(lesions)})

    return draw


def _changed(part: str, **ranges: tuple[float, float] | float | bool) -> Draw:
    """Usual disease in a patient, liver, neighbourhood or scan of which some values are drawn from ranges."""

    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        values: dict[str, object] = {
            name: float(rng.uniform(*limits)) if isinstance(limits, tuple) else limits
            for name, limits in ranges.items()
        }
        return _diseased(_with(spec, **{part: values}), rng)

    return draw


def _in_phase(phase: ContrastPhase) -> Draw:
    def draw(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
        return _diseased(_with(spec, scanner={"contrast_phase": phase}), rng)

    return draw


def _bigger_patient(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    scale, fat = float(rng.uniform(1.08, 1.15)), float(rng.uniform(30, 45))
    patient = {"width_scale": scale, "depth_scale": scale, "height_scale": float(rng.uniform(1.0, 1.08))}
    patient |= {"subcutaneous_fat_mm": fat, "weight_kg": float(rng.uniform(105, 135)), "height_m": 1.82}
    return _diseased(
        _with(spec, patient=patient | {"sex": "M"}, scanner={"ct_noise_hu": float(rng.uniform(18, 26))}), rng
    )


def _smaller_patient(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    scale = float(rng.uniform(0.84, 0.9))
    patient = {"width_scale": scale, "depth_scale": scale, "height_scale": float(rng.uniform(0.86, 0.93))}
    patient |= {"subcutaneous_fat_mm": float(rng.uniform(3, 8)), "weight_kg": float(rng.uniform(42, 52))}
    return _diseased(_with(spec, patient=patient | {"height_m": 1.54, "sex": "F"}), rng)


def _renal_bed(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """The right kidney against the liver: cortex hot around cold medulla and sinus, on CT from plain to nephrographic.

    Cortex of SUV 8 to 20, in some scans of the liver's own density.
    """
    shift = (rng.uniform(-12, 4), rng.uniform(-22, -6), rng.uniform(0, 26))
    neighbours = {"kidney_gap_mm": 0.0, "adrenal_gap_mm": 0.0, "right_kidney_shift_mm": tuple(map(float, shift))}
    neighbours["renal_enhancement"] = float(rng.choice([1.0, 0.75, 0.5]))
    uptake = {"kidney_cortex": (8.0, 20.0), "kidney_medulla": (0.8, 4.0)}
    return _with(spec, neighbours=neighbours, uptake=uptake)


def _kidney_indenting(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    return _diseased(_renal_bed(spec, rng), rng)


def _kidney_upper_pole(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """The upper pole alone touches the liver, and in half of the studies the field of view ends below it."""
    spec = _renal_bed(spec, rng)
    shift = (float(rng.uniform(-8, 2)), float(rng.uniform(-16, -4)), float(rng.uniform(-32, -18)))
    scanner = {} if rng.random() < 0.5 else {"ct_bottom_mm": -88.0, "pet_bottom_mm": -96.0}
    spec = _with(spec, neighbours={"right_kidney_shift_mm": shift}, scanner=scanner)
    return _diseased(spec, rng)


def _kidney_low_dose(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """The same on the coarse grid of a low-dose CT without contrast agent."""
    scanner = {"contrast_phase": "native", "ct_slice_mm": 5.0, "ct_noise_hu": float(rng.uniform(24, 36))}
    return _diseased(_with(_renal_bed(spec, rng), scanner=scanner), rng)


def _kidney_and_tumour(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Tumours at the back of the liver's lower border, next to such a kidney and as hot as its cortex."""
    spec = _renal_bed(spec, rng)
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(
            update={"place": "renal_bed", "core_fraction": float(rng.choice([0.0, 0.55])), "hu_difference": -15.0}
        )
        for size in rng.uniform(14, 42, int(rng.integers(2, 5)))
    )
    return spec.model_copy(update={"lesions": lesions})


def _hot_spleen(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    touching = {"spleen_gap_mm": 0.0, "spleen_scale": float(rng.uniform(1.1, 1.5))}
    liver = {"left_length": float(rng.uniform(1.3, 1.8))}
    return _diseased(_with(spec, neighbours=touching, liver=liver, uptake={"spleen": (22.0, 34.0)}), rng)


def _rims(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(update={"core_fraction": float(rng.uniform(0.5, 0.7))})
        for size in rng.uniform(28, 70, int(rng.integers(2, 5)))
    )
    return spec.model_copy(update={"lesions": lesions})


def _giant(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    one = avid_lesion(rng, float(rng.uniform(85, 125))).model_copy(update={"place": "anywhere"})
    few = tuple(avid_lesion(rng, float(size)) for size in rng.uniform(10, 25, 3))
    liver = {"right_scale": float(rng.uniform(1.1, 1.4))}
    return _with(spec, liver=liver).model_copy(update={"lesions": (one, *few)})


def _embolised(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Lesions full of dense embolic agent, some with a viable rim only."""
    lesions = tuple(
        avid_lesion(rng, float(size)).model_copy(
            update={
                "hu_difference": float(rng.uniform(20, 120)),
                "speckle_hu": float(rng.uniform(80, 250)),
                "core_fraction": float(rng.choice([0.0, 0.5, 0.65])),
            }
        )
        for size in rng.uniform(15, 55, int(rng.integers(3, 7)))
    )
    return spec.model_copy(update={"lesions": lesions})


def _one_cold(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    """Receptor-negative lesions, 10 to 40 mm and 10 to 40 HU below liver, in addition to avid ones."""
    negative = tuple(
        LesionSpec(
            diameter_mm=float(size),
            contrast=float(rng.uniform(0.25, 0.8)),
            hu_difference=float(rng.uniform(-40, -10)),
            roughness=0.06,
        )
        for size in rng.uniform(10, 40, int(rng.integers(1, 4)))
    )
    avid = tuple(avid_lesion(rng, float(size)) for size in rng.uniform(8, 28, int(rng.integers(0, 5))))
    return spec.model_copy(update={"lesions": (*negative, *avid)})


def _pet_misses_the_top(spec: PhantomSpec, rng: np.random.Generator) -> PhantomSpec:
    return _diseased(_with(spec, scanner={"pet_top_mm": float(rng.uniform(35, 70))}), rng)


FAMILIES: dict[str, Draw] = {
    # patient
    "patient_small": _smaller_patient,
    "patient_large": _bigger_patient,
    # liver shape
    "riedel": _changed("liver", riedel_mm=(60.0, 110.0)),
    "left_small": _changed("liver", left_scale=(0.45, 0.65), left_length=(0.35, 0.55)),
    "left_over_spleen": _changed("liver", left_length=(1.5, 1.9)),
    "hemihepatectomy": _changed("liver", right_scale=0.0, left_scale=(1.3, 1.8), left_length=(1.0, 1.4)),
    "cirrhosis": _changed("liver", nodularity_mm=(1.5, 3.0), right_scale=(0.55, 0.8), left_scale=(1.1, 1.5)),
    "hepatomegaly": _changed("liver", right_scale=(1.4, 1.6), left_scale=(1.3, 1.6), riedel_mm=(70.0, 120.0)),
    # parenchyma and CT
    "fatty": _changed("liver", fat_hu=(25.0, 60.0)),
    "native": _in_phase("native"),
    "arterial": _in_phase("arterial"),
    "portal": _in_phase("portal"),
    "late": _in_phase("late"),
    "streaks": _changed("scanner", ct_streaks_hu=(8.0, 20.0), ct_noise_hu=(18.0, 28.0)),
    # neighbours
    "kidney_touching": _changed("neighbours", kidney_gap_mm=0.0, adrenal_gap_mm=0.0),
    "kidney_indenting": _kidney_indenting,
    "kidney_upper_pole": _kidney_upper_pole,
    "kidney_low_dose": _kidney_low_dose,
    "kidney_and_tumour": _kidney_and_tumour,
    "gut_touching": _changed("neighbours", stomach_gap_mm=0.0, colon_gap_mm=0.0, gallbladder_gap_mm=0.0),
    "heart_touching": _changed("neighbours", heart_gap_mm=1.8),
    "spleen_hot": _hot_spleen,
    "splenectomy": _changed("neighbours", spleen=False),
    "horseshoe": _changed("neighbours", horseshoe_kidney=True, kidney_gap_mm=0.0),
    "hot_bowel": _changed("neighbours", hot_bowel_loops=12, colon_gap_mm=0.0),
    "ascites": _changed("neighbours", ascites_mm=(8.0, 25.0)),
    "effusion": _changed("neighbours", effusion_mm=(40.0, 110.0)),
    # burden
    "burden_0": PRESETS["clean"],
    "burden_1_20": _of_burden(0.01, 0.20),
    "burden_20_60": _of_burden(0.20, 0.60),
    "burden_60_80": _of_burden(0.60, 0.80),
    "burden_80_97": _of_burden(0.80, 0.97),
    "borderline": PRESETS["borderline"],
    # lesions
    "capsule": _placed("capsule"),
    "dome": _placed("dome"),
    "touching": _placed("touching"),
    "rim": _rims,
    "tiny": _specified((6.0, 8.0), (3, 8), contrast=(2.0, 8.0)),
    "faint": _specified((8.0, 40.0), (3, 7), contrast=(1.2, 1.5)),
    "giant": _giant,
    "calcified": _specified((12.0, 45.0), (3, 6), speckle_hu=(100.0, 400.0), hu_difference=(-20.0, 60.0)),
    "embolised": _embolised,
    "cold": _one_cold,
    # scan
    "breathing": _changed("scanner", breathing_shift_mm=(9.0, 15.0)),
    "low_counts": PRESETS["noisy"],
    "slices_thin": _changed("scanner", ct_slice_mm=(1.0, 2.0)),
    "slices_thick": _changed("scanner", ct_slice_mm=5.0, pet_slice_mm=5.0),
    "truncated": PRESETS["truncated"],
    "pet_misses_top": _pet_misses_the_top,
}

HELD_OUT = frozenset(
    {"left_over_spleen", "hepatomegaly", "late", "horseshoe", "effusion", "burden_80_97", "touching", "embolised"}
)


def family_spec(name: str, seed: int, matrix: MatrixName = "medium") -> PhantomSpec:
    """The specification of one study of a family.

    Raises
    ------
    ConfigError
        Where there is no family of that name.
    """
    if name not in FAMILIES:
        msg = f"there is no phantom family {name!r}; choose one of {', '.join(FAMILIES)}"
        raise ConfigError(msg)
    return match_enhancement(FAMILIES[name](base_spec(name, seed, matrix), stream(seed, f"family {name}")))
