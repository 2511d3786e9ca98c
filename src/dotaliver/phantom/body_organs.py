"""The organs of a body phantom in the order in which they are painted, each with its density and uptake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.image.geometry import Vector
from dotaliver.phantom.body_frame import BodyFrame, fine_part
from dotaliver.phantom.body_spec import BodySpec
from dotaliver.phantom.organs import hollow_organs, kidneys, liver, small_glands, spleen
from dotaliver.phantom.shapes import Field, Space, ellipsoid, smooth_max, stream, tube
from dotaliver.phantom.tissues import Tissue, draw_hu, draw_suv
from dotaliver.phantom.vessels import great_vessels

__all__ = ["BodyLayer", "body_layers"]

# Bowel filled with oral contrast agent; urine; soft glands; sclerosis; active brown fat, denser than white fat (HU).
_CONTRAST_HU, _URINE_HU, _GLAND_HU, _SCLEROSIS_HU, _BROWN_FAT_HU = 260.0, 8.0, 50.0, 700.0, -85.0


@dataclass(frozen=True, eq=False)
class BodyLayer:
    """One organ's shape with its density and uptake; the name is what truth says of its voxels."""

    name: str
    field: Field
    hu: float
    suv: float
    space: Space | None = None
    """The grid of the shape, where it is another than the body's."""


def body_layers(space: Space, frame: BodyFrame, spec: BodySpec) -> list[BodyLayer]:
    """All organs, each painted over those before it."""
    hu, suv = draw_hu(spec.trunk), draw_suv(spec.trunk)
    rng = stream(spec.seed, "body uptake")
    drawn = {name: float(rng.uniform(*getattr(spec.uptake, name))) for name in type(spec.uptake).model_fields}

    def layer(name: str, field: Field, tissue: Tissue, uptake: float | None = None) -> BodyLayer:
        return BodyLayer(name, field, hu[tissue], suv[tissue] if uptake is None else uptake)

    layers = [
        layer("fat", frame.skin, Tissue.FAT),
        layer("muscle", frame.muscle, Tissue.MUSCLE),
        layer("lung", frame.lung, Tissue.LUNG),
        layer("heart", frame.heart, Tissue.HEART_WALL),
        layer(
            "blood", np.maximum(frame.heart + 9, 2 - np.abs(space.x - 26 + 0.6 * (space.y + 34))), Tissue.HEART_BLOOD
        ),
        layer("bone", frame.bone, Tissue.BONE),
        layer("marrow", frame.marrow, Tissue.MARROW),
        BodyLayer("brain", frame.brain, 36.0, drawn["brain"]),
        layer("airway", frame.airway, Tissue.AIR, 0.0),
    ]
    layers += _upper_glands(space, drawn)
    layers += _abdomen(space, frame, spec, layer, drawn)
    layers += _urinary(space, spec, drawn)
    layers += _degenerative(space, spec, drawn["degenerative"])
    if spec.brown_fat:
        layers += _brown_fat(space, drawn["brown_fat"])
    if spec.injection_site:
        place = (214, 20, 30) if spec.arms == "down" else (150, -2, 490)
        layers.append(_small("injection", space, place, (5, 5, 12), (45.0, drawn["injection"])))
    return layers


def _small(
    name: str, space: Space, place: Vector, radii: Vector, values: tuple[float, float], turn_deg: Vector = (0, 0, 0)
) -> BodyLayer:
    """An ellipsoid on a grid of its own; ``values`` are its density and uptake."""
    reach = max(radii) + 6
    low, high = (tuple(p + sign * reach for p in place) for sign in (-1, 1))
    part = fine_part(space, low, high)  # type: ignore[arg-type]
    return BodyLayer(name, ellipsoid(part, place, radii, turn_deg), *values, part)


def _brown_fat(space: Space, uptake: float) -> list[BodyLayer]:
    """Both sides alike, in fat: above the clavicles, and at the heads of some ribs (Cohade et al., J Nucl Med 2003)."""
    layers = []
    for s in (-1, 1):
        layers.append(_small("brown fat", space, (s * 58, 6, 298), (13, 9, 17), (_BROWN_FAT_HU, uptake)))
        for height in (210, 170, 130):
            place = (s * 34, 34, height)
            layers.append(_small("brown fat", space, place, (7, 7, 8), (_BROWN_FAT_HU, 0.7 * uptake)))
    return layers


def _upper_glands(space: Space, drawn: dict[str, float]) -> list[BodyLayer]:
    rng = stream(space.seed, "upper glands")
    uneven = 1 + float(rng.normal(0, 0.08))
    layers = [_small("pituitary", space, (0, -22, 462), (6.5, 5.5, 5), (45.0, drawn["pituitary"]))]
    for s in (-1, 1):
        grow = uneven if s > 0 else 1.0
        mouth = (_GLAND_HU, drawn["salivary"])
        layers += [
            _small("salivary", space, (s * 56, 8, 418), (12 * grow, 19, 24), mouth),
            _small("salivary", space, (s * 32, -38, 382), (11, 14 * grow, 12), mouth),
            _small("thyroid", space, (s * 19, -18, 308), (9 * grow, 10, 23), (95.0, drawn["thyroid"])),
        ]
    return layers


def _abdomen(
    space: Space, frame: BodyFrame, spec: BodySpec, layer: Callable[..., BodyLayer], drawn: dict[str, float]
) -> list[BodyLayer]:
    """Liver, spleen, kidneys, adrenals, pancreas, gut and great vessels, those of the liver phantom."""
    around = spec.trunk.neighbours
    torso = frame.torso
    renal, glands, gut, vessels = (
        kidneys(space, around),
        small_glands(space),
        hollow_organs(space, torso),
        great_vessels(space),
    )
    if spec.kidneys != "both":
        keep = space.x if spec.kidneys == "right" else -space.x
        renal = {name: np.maximum(field, keep + 4) for name, field in renal.items()}
    if not spec.stomach:
        gut["stomach"] = smooth_max(gut["stomach"], 42 - space.z, 4)
    spleen_field = spleen(space, torso, around) if around.spleen else space.empty()
    obstacles = [
        (renal["kidney"], 2.0),
        (gut["stomach"], 1.0),
        (gut["colon"], 1.0),
        (gut["duodenum"], 1.0),
        (glands["adrenal"], 1.0),
        (glands["pancreas"], 2.0),
        (vessels["cava"], 0.5),
        (vessels["aorta"], 6.0),
        (torso.parts["muscle"], 0.4),
        (torso.parts["bone"], 1.0),
        (spleen_field, 1.5),
    ]
    liver_field = liver(space, torso, spec.trunk.liver, obstacles)
    chest = tube(space, [[18, 22, 195], [16, 20, 225], [0, -10, 238], [-14, -28, 200], [4, -36, 165]], 13.0)
    renal_part = fine_part(space, (-70, -10, -45), (70, 50, 25))
    adrenals = small_glands(renal_part)["adrenal"]
    parts = [
        *_gut(space, gut, spec, layer),
        layer("pancreas", glands["pancreas"], Tissue.PANCREAS),
        _small("uncinate", space, (-22, -14, -58), (9, 8, 13), (45.0, drawn["uncinate"]), (0, 20, 0)),
        layer("spleen", spleen_field, Tissue.SPLEEN),
        layer("kidney", renal["kidney"], Tissue.KIDNEY_CORTEX),
        layer("kidney", renal["medulla"], Tissue.KIDNEY_MEDULLA),
        layer("kidney", np.maximum(renal["sinus"], renal["kidney"] + 1), Tissue.RENAL_SINUS, 0.35 * drawn["urine"]),
        replace(layer("adrenal", adrenals, Tissue.ADRENAL), space=renal_part),
        layer("vessel", vessels["portal"], Tissue.PORTAL_VEIN),
        layer("vessel", vessels["cava"], Tissue.VENA_CAVA),
        layer("vessel", np.minimum(vessels["aorta"], chest), Tissue.AORTA),
    ]
    if around.gallbladder:
        parts.append(layer("gallbladder", glands["gallbladder"], Tissue.GALLBLADDER))
    parts.append(layer("liver", liver_field, Tissue.LIVER))
    if spec.accessory_spleen:
        spleen_layer = next(part for part in parts if part.name == "spleen")
        parts.append(_accessory_spleen(space, (spleen_layer.hu, spleen_layer.suv)))
    return parts


def _accessory_spleen(space: Space, values: tuple[float, float]) -> BodyLayer:
    rng = stream(space.seed, "accessory spleen")
    radius = float(rng.uniform(5, 9))
    place = (70 + float(rng.normal(0, 5)), 12 + float(rng.normal(0, 5)), 2 + float(rng.normal(0, 8)))
    return _small("accessory_spleen", space, place, (radius,) * 3, values)


def _gut(space: Space, gut: dict[str, Field], spec: BodySpec, layer: Callable[..., BodyLayer]) -> list[BodyLayer]:
    """Walls, contents and gas; patches of the wall are hot, in the duodenum first."""
    bowel = np.minimum(np.minimum(gut["small_bowel"], gut["colon"]), gut["duodenum"])
    level = np.float32(np.interp(spec.trunk.neighbours.hot_bowel_loops, [1, 12], [1.6, 0.2]))
    hot = np.minimum(gut["duodenum"], np.maximum(bowel, 8 * (level - space.noise("hot bowel", 45))))
    content = layer("bowel", bowel + 2.5, Tissue.BOWEL_CONTENT)
    if spec.bowel_contrast:
        content = BodyLayer("bowel", content.field, _CONTRAST_HU, content.suv)
    gas = np.maximum(bowel + 4, 6 * (1.4 - space.noise("gas", 20)))
    return [
        layer("bowel", bowel, Tissue.BOWEL_WALL),
        layer("bowel", hot, Tissue.HOT_BOWEL),
        content,
        layer("bowel", gas, Tissue.GUT_GAS, 0.0),
        layer("stomach", gut["stomach"], Tissue.STOMACH_WALL),
        layer("stomach", gut["stomach"] + 4, Tissue.STOMACH_CONTENT),
        layer("stomach", np.maximum(gut["stomach"] + 4.5, space.y + 34), Tissue.GUT_GAS, 0.0),
    ]


def _urinary(space: Space, spec: BodySpec, drawn: dict[str, float]) -> list[BodyLayer]:
    """Bladder, ureters as strings of pearls, prostate or uterus."""
    rng = stream(space.seed, "urinary")
    radius = spec.bladder_radius_mm
    bladder = ellipsoid(space, (0, -28, -345 + radius), (radius * 1.15, radius * 0.85, radius))
    part = fine_part(space, (-60, -10, -340), (60, 55, -70))
    ureter = part.empty()
    sides = {"both": (-1, 1), "left": (1,), "right": (-1,)}[spec.kidneys]
    for _ in range(spec.ureter_beads):
        s = int(rng.choice(sides))
        course = np.array(
            [[s * 38, 30, -80], [s * 36, 26, -150], [s * 42, 28, -220], [s * 48, 40, -275], [s * 22, 4, -325]]
        )
        length = float(rng.uniform(0.03, 0.16))
        start = float(rng.uniform(0, 1 - length))
        along = np.linspace(start, start + length, 4) * (len(course) - 1)
        nodes = np.stack([np.interp(along, np.arange(len(course)), course[:, k]) for k in range(3)], axis=1)
        np.minimum(ureter, tube(part, nodes, float(rng.uniform(2.5, 4.5))), out=ureter)
    if spec.trunk.patient.sex == "M":
        gland = BodyLayer("prostate", ellipsoid(space, (0, -18, -366), (23, 19, 19)), 42.0, drawn["prostate"])
    else:
        tilt = float(rng.uniform(-25, 25))
        womb = ellipsoid(space, (float(rng.normal(0, 6)), 14, -300), (26, 24, 36), (tilt, 0, 0))
        gland = BodyLayer("uterus", womb, 55.0, drawn["uterus"])
    return [
        gland,
        BodyLayer("ureter", ureter, 20.0, drawn["urine"] * float(rng.uniform(0.6, 1.0)), part),
        BodyLayer("bladder", bladder, _URINE_HU, drawn["urine"]),
    ]


# Where bone wears: facet joints and margins of vertebrae, shoulders, hips, sacroiliac joints, sternoclavicular joints.
_WORN = (
    (19.0, 70.0, -150.0), (-19.0, 70.0, -120.0), (24.0, 34.0, -80.0), (-24.0, 34.0, -40.0), (22.0, 36.0, 90.0),
    (165.0, 14.0, 240.0), (-165.0, 14.0, 240.0), (112.0, 4.0, -296.0), (-112.0, 4.0, -296.0), (46.0, 66.0, -235.0),
    (-46.0, 66.0, -235.0), (18.0, -80.0, 240.0), (-12.0, 30.0, 330.0), (14.0, 32.0, 350.0),
)  # fmt: skip


def _degenerative(space: Space, spec: BodySpec, uptake: float) -> list[BodyLayer]:
    rng = stream(space.seed, "degenerative")
    return [
        _small("degenerative", space, _WORN[n], (7.0, 6.0, float(rng.uniform(4, 9))), (_SCLEROSIS_HU, uptake))
        for n in rng.permutation(len(_WORN))[: spec.degenerative]
    ]
