"""The PET turned about the patient's long axis: dragged or by arrow keys; a click goes to the focus behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QWidget

from napari_dotaliver.view.rotating_mip import STEP_DEG, RotatingMip

if TYPE_CHECKING:
    from dotaliver.image.volume import Volume

__all__ = ["MipCanvas"]

_DRAG_PIXELS_A_STEP = 6
# Less is a click of an unsteady hand.
_CLICK_PIXELS = 3
_MARK_PIXELS = 7
_SIDES = {
    0: ("R", "L", "Anterior"),
    90: ("A", "P", "Left lateral"),
    180: ("L", "R", "Posterior"),
    270: ("P", "A", "Right lateral"),
}
"""What lies at the left and the right edge, and what the projection is called."""


class MipCanvas(QWidget):
    """A small canvas with one projection, in inverted grey."""

    place_clicked = Signal(object)
    """Where in napari's world the focus lies that was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Rotating projection of the PET")
        self.setToolTip("Drag or ← → to turn; click a focus to go there")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(100, 120)
        self.angle_deg = 0
        self._mip: RotatingMip | None = None
        self._pet: Volume | None = None
        self._upper = 1.0
        self._mark: tuple[float, ...] | None = None
        self._pressed: QPointF | None = None
        self._pressed_angle = 0

    def show_pet(self, pet: Volume | None) -> None:
        """Show another PET from the front; what is projected is made when it is painted."""
        self._pet, self._mip, self.angle_deg = pet, None, 0
        self.update()

    def show_up_to(self, upper: float) -> None:
        """Show uptake as black from this value on."""
        self._upper = max(float(upper), 1e-6)
        self.update()

    def mark(self, world_mm: tuple[float, ...]) -> None:
        """Mark where the other canvases are."""
        self._mark = world_mm
        self.update()

    def turn(self, steps: int) -> None:
        """Turn by some steps."""
        self.angle_deg = (self.angle_deg + steps * STEP_DEG) % 360
        self.update()

    def _made(self) -> RotatingMip | None:
        if self._mip is None and self._pet is not None:
            self._mip = RotatingMip.of(self._pet)
        return self._mip

    def _area(self, mip: RotatingMip) -> QRectF:
        """Where in the widget the frame is drawn: the body fills it, not the turning square."""
        rows, columns = mip.voxels.shape[0], mip.voxels.shape[2]
        scale = min(self.height() / rows, self.width() / mip.breadth)
        width, height = columns * scale, rows * scale
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    # --- events of Qt ------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 -- Qt's name
        """Draw the frame, the mark and the sides."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("white" if self._pet is not None else "black"))
        mip = self._made()
        if mip is None:
            return
        values = mip.frame(self.angle_deg).image
        grey = np.ascontiguousarray(255 - np.clip(values / self._upper, 0, 1) * 255, dtype=np.uint8)
        picture = QImage(grey.data, grey.shape[1], grey.shape[0], grey.shape[1], QImage.Format.Format_Grayscale8)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area = self._area(mip)
        painter.drawImage(area, picture)
        if self._mark is not None:
            row, column = mip.pixel_of(self.angle_deg, self._mark)
            scale = area.width() / values.shape[1]
            middle = QPointF(area.left() + (column + 0.5) * scale, area.top() + (row + 0.5) * scale)
            painter.setPen(QPen(QColor("#D55E00"), 1.5))
            painter.drawEllipse(middle, _MARK_PIXELS, _MARK_PIXELS)
        painter.setPen(QColor("#0072B2"))
        left, right, name = _SIDES.get(self.angle_deg, ("", "", f"{self.angle_deg}°"))
        edge = self.rect().adjusted(4, 2, -4, -2)
        painter.drawText(edge, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, left)
        painter.drawText(edge, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        painter.drawText(edge, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, name)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 -- Qt's name
        """Begin to turn."""
        self._pressed, self._pressed_angle = event.position(), self.angle_deg

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 -- Qt's name
        """Turn with the mouse: the front follows it."""
        if self._pressed is not None:
            steps = round((self._pressed.x() - event.position().x()) / _DRAG_PIXELS_A_STEP)
            angle = (self._pressed_angle + steps * STEP_DEG) % 360
            if angle != self.angle_deg:
                self.angle_deg = angle
                self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 -- Qt's name
        """Go to the focus where it was only clicked."""
        pressed, self._pressed = self._pressed, None
        mip = self._made()
        if pressed is None or mip is None or (event.position() - pressed).manhattanLength() > _CLICK_PIXELS:
            return
        area = self._area(mip)
        scale = area.width() / mip.voxels.shape[2]
        row = int((event.position().y() - area.top()) / scale)
        column = int((event.position().x() - area.left()) / scale)
        place = mip.world_of(self.angle_deg, row, column)
        if place is not None:
            self.place_clicked.emit(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Turn by the arrow keys."""
        steps = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}.get(int(event.key()))
        if steps is None:
            super().keyPressEvent(event)
        else:
            self.turn(steps)
