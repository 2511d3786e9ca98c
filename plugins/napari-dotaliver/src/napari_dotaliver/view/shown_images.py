"""Which images of a study are shown on each other: PET, its CT, and the diagnostic CT or MR that is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_dotaliver.view.layers import PET_ALONE, PET_OVER_CT, uptake_unit
from napari_dotaliver.view.windows import window_words

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = [
    "Shown",
    "choices",
    "image_below",
    "is_fused",
    "next_of",
    "show_images",
    "shown_words",
    "uptake_image",
    "windows_shown",
]

Shown = Literal["fused", "PET", "CT", "measured", "fused on measured", "FDG"]
"""PET over its CT, one image alone, the PET over the image that is measured on, or the FDG PET over the CT."""


def choices(layers: StudyLayers) -> tuple[Shown, ...]:
    """What can be shown of a study, in the order in which a key goes through it."""
    found: tuple[Shown, ...] = ("PET",) if layers.ct is None else ("fused", "PET", "CT")
    found = found if layers.measured is None else (*found, "measured", "fused on measured")
    return found if layers.fdg is None else (*found, "FDG")


def next_of(layers: StudyLayers, now: Shown) -> Shown:
    """What comes after what is shown now."""
    possible = choices(layers)
    return possible[(possible.index(now) + 1) % len(possible)] if now in possible else possible[0]


def is_fused(images: Shown) -> bool:
    """Whether the PET lies over another image, and can be blended with it."""
    return images in {"fused", "fused on measured", "FDG"}


def uptake_image(layers: StudyLayers, images: Shown) -> Image:
    """The PET that is looked at: the FDG scan's where that one is shown."""
    return layers.fdg if images == "FDG" and layers.fdg is not None else layers.pet


def image_below(layers: StudyLayers, images: Shown) -> Image | None:
    """The CT or MR that is shown, alone or below the PET."""
    if images == "PET":
        return None
    return layers.measured if images in {"measured", "fused on measured"} else layers.ct


def shown_words(layers: StudyLayers | None, images: Shown) -> str:
    """What they look at in the few letters that a button has room for."""
    display = None if layers is None else layers.measured_display
    name = "MR" if display is not None and not display.is_ct else "diag. CT"
    return {"measured": name[:1].upper() + name[1:], "fused on measured": f"On {name}", "fused": "Fused"}.get(
        images, images
    )


def show_images(layers: StudyLayers, images: Shown, blend_percent: int) -> None:
    """Show these images and no others; over another one, the PET is as thick as the blend says."""
    below = image_below(layers, images)
    for image in (layers.ct, layers.measured):
        if image is not None:
            image.visible = image is below
    layers.pet.visible = (images == "PET" or is_fused(images)) and images != "FDG"
    if layers.fdg is not None:
        layers.fdg.visible = images == "FDG"
    for name, value in (PET_ALONE if images == "PET" else PET_OVER_CT).items():
        setattr(layers.pet, name, value)
    if images != "PET":
        uptake_image(layers, images).opacity = blend_percent / 100


def windows_shown(layers: StudyLayers, images: Shown) -> list[str]:
    """The windows of the images that are shown, one a line."""
    below, words = image_below(layers, images), []
    if images == "FDG" and layers.fdg is not None and layers.fdg_display is not None:
        words.append(window_words("FDG", _limits(layers.fdg), uptake_unit(layers.fdg_display.study.pet.quantity)))
    elif images == "PET" or is_fused(images):
        words.append(window_words("PET", _limits(layers.pet), layers.uptake_unit))
    if below is not None:
        display = layers.measured_display
        is_mr = below is layers.measured and display is not None and not display.is_ct
        words.append(window_words("MR" if is_mr else "CT", _limits(below), "" if is_mr else "HU"))
    return words


def _limits(image: Image) -> tuple[float, float]:
    low, high = image.contrast_limits
    return float(low), float(high)
