"""Pieces that several tabs are made of."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QScrollArea, QVBoxLayout, QWidget

__all__ = ["millimetres", "refusal_line", "scrolled"]


def refusal_line() -> QLabel:
    """A framed line for the sentence of a refusal, hidden until there is one."""
    line = QLabel()
    line.setWordWrap(True)
    line.setTextFormat(Qt.TextFormat.PlainText)
    line.setStyleSheet("QLabel { border: 1px solid #E69F00; padding: 4px; }")
    line.hide()
    return line


def scrolled(parts: Iterable[QWidget]) -> QScrollArea:
    """Parts below each other that are scrolled where the window is low."""
    inner = QWidget()
    column = QVBoxLayout(inner)
    column.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        column.addWidget(part)
    column.addStretch()
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setWidget(inner)
    return area


def millimetres(name: str, span_mm: tuple[float, float], value_mm: float) -> QDoubleSpinBox:
    """A box for a length in whole millimetres; `name` is what a screen reader says."""
    box = QDoubleSpinBox()
    box.setRange(*span_mm)
    box.setDecimals(0)
    box.setValue(value_mm)
    box.setSuffix(" mm")
    box.setAccessibleName(name)
    return box
