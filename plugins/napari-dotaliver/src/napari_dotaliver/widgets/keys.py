"""What the keyboard does, declared once: bound to the window and listed in the panel."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

__all__ = [
    "KEYS",
    "Key",
    "keys_html",
]


@dataclass(frozen=True)
class Key:
    """One key and what it does; function keys and punctuation, since napari's brushes have the letters."""

    key: str
    does: str


KEYS: dict[str, Key] = {
    "open": Key("F9", "open a study or a score"),
    "score": Key("F5", "score the study"),
    "axial": Key("F1", "axial slices"),
    "coronal": Key("F2", "coronal slices"),
    "sagittal": Key("F3", "sagittal slices"),
    "projection": Key("F4", "maximum-intensity projection of the PET, on and off"),
    "images": Key(
        "F6",
        "fused images, PET alone (inverted grey), CT alone, FDG over CT; a diagnostic CT or MR alone and below the PET",
    ),
    "crosshair": Key("F7", "crosshair on and off"),
    "planes": Key("F8", "the two other planes on and off"),
    "fill": Key("F12", "lesions filled or as outlines"),
    "pet_7": Key("Alt+1", "PET up to SUV 7"),
    "pet_10": Key("Alt+2", "PET up to SUV 10"),
    "pet_15": Key("Alt+3", "PET up to SUV 15"),
    "pet_20": Key("Alt+4", "PET up to SUV 20"),
    "ct_liver": Key("Alt+5", "CT liver window"),
    "ct_soft": Key("Alt+6", "CT soft-tissue window"),
    "ct_lung": Key("Alt+7", "CT lung window"),
    "ct_bone": Key("Alt+8", "CT bone window"),
    "slice_up": Key("Alt+Right", "next slice, wherever the focus is"),
    "slice_down": Key("Alt+Left", "previous slice"),
    "next_tab": Key("Ctrl+Tab", "next tab of the panel"),
    "next": Key(".", "next lesion"),
    "previous": Key(",", "previous lesion"),
}
_NAPARI: tuple[Key, ...] = (
    Key("mouse wheel, ← →", "one slice up or down"),
    Key("Ctrl + mouse wheel", "zoom about the mouse"),
    Key("right button dragged", "window of the image on top; with Shift, of the CT below"),
    Key("H held", "hide outlines, lines and numbers (with the mouse in the image)"),
    Key("click", "moves the crosshair; in the small planes too; on the turning projection goes to the focus"),
    Key("Ctrl+R", "whole image"),
    Key("2 or P, 1 or E, 4 or F", "brush, eraser and fill, with a mask layer selected"),
    Key("[ ]", "smaller and larger brush"),
    Key("Space held", "move the image while painting"),
    Key("Tab, Shift+Tab, arrows", "move through panel and table"),
)


def keys_html(more: tuple[Key, ...] = ()) -> str:
    """The list of keys for the panel."""
    rows = "".join(
        f"<tr><td width='38%'><b>{escape(key.key)}</b></td><td>{escape(key.does)}</td></tr>"
        for key in (*KEYS.values(), *more, *_NAPARI)
    )
    return f"<table width='100%' cellspacing='4'>{rows}</table>"
