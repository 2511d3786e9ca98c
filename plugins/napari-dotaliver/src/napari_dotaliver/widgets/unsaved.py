"""The question before something is left over changes that are not saved."""

from __future__ import annotations

from typing import Literal

from qtpy.QtWidgets import QMessageBox, QWidget

__all__ = ["ask_about_unsaved"]


def ask_about_unsaved(parent: QWidget, sentence: str) -> Literal["save", "discard", "stay"]:
    """What a reader wants done with changes that are not saved; a closed question changes nothing.

    Parameters
    ----------
    parent : QWidget
        Over which the question is asked.
    sentence : str
        What is not saved.
    """
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent, "Unsaved changes", sentence, buttons.Save | buttons.Discard | buttons.Cancel, buttons.Save
    )
    if answer == buttons.Save:
        return "save"
    return "discard" if answer == buttons.Discard else "stay"
