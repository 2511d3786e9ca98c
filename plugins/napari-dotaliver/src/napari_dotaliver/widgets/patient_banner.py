"""Whose study is open: patient ID, date and tracer on the screen, the name on request. Nothing of it is written."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from dotaliver.pipeline import OpenStudy
from dotaliver.records.tracer_name import tracer_name

__all__ = ["PatientBanner"]


class PatientBanner(QFrame):
    """A line above everything else, so that a wrong folder is noticed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ""
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setStyleSheet("QLabel { font-weight: bold; }")
        self.words.setAccessibleName("Patient and study")
        self.name_button = QPushButton("Show name")
        self.name_button.setCheckable(True)
        self.name_button.toggled.connect(self._renew)
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 2, 6, 2)
        line.addWidget(self.words, stretch=1)
        line.addWidget(self.name_button)
        self.show_study(None)

    def show_study(self, opened: OpenStudy | None, case: str | None = None) -> None:
        """Show whose study it is; the name is hidden again with each study.

        Of a case in a central reading the code alone is shown: a reader must not recognise the patient.
        """
        blinded = opened is None or case is not None
        self._name = "" if blinded else _patient_name(opened)
        self._identity = case or ("" if opened is None else _identity_words(opened))
        self.name_button.setChecked(False)
        self.name_button.setVisible(bool(self._name))
        self.setVisible(opened is not None)
        self._renew()

    def _renew(self) -> None:
        shown = self.name_button.isChecked()
        self.name_button.setText("Hide name" if shown else "Show name")
        self.words.setText(f"{self._name} · {self._identity}" if shown else self._identity)


def _identity_words(opened: OpenStudy) -> str:
    identity, acquisition = opened.volumes.identity, opened.volumes.acquisition
    patient_id = opened.volumes.patient_id
    parts = (
        f"ID {patient_id}" if patient_id else "no patient ID",
        identity.study_date or "no study date",
        tracer_name(acquisition.tracer) if acquisition.tracer else "tracer unknown",
    )
    return " · ".join(parts)


def _patient_name(opened: OpenStudy) -> str:
    """The name as DICOM orders it: family name, then given names."""
    headers = opened.sources.pet_headers
    name = str(getattr(headers[0], "PatientName", "")) if headers else ""
    parts = [part for part in name.split("=")[0].split("^") if part]
    return ", ".join((parts[0], " ".join(parts[1:]))) if len(parts) > 1 else "".join(parts)
