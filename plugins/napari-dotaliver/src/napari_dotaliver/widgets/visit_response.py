"""The response of two scans with its arithmetic, and what is open."""

from __future__ import annotations

from html import escape

from qtpy.QtWidgets import QTextBrowser, QWidget

from dotaliver.config.criteria import RecistConfig
from dotaliver.export.response.html import RESPONSE_WORDS
from dotaliver.export.tables import uptake_name
from dotaliver.longitudinal.compared_scans import ComparedScans
from dotaliver.longitudinal.pair_response import response_lines
from dotaliver.longitudinal.records import Reading
from napari_dotaliver.reading.visit_session import VisitSession

__all__ = ["VisitResponse", "peak_name"]

_GREY = "#8a8a8a"


class VisitResponse(QTextBrowser):
    """The response beside the list; grey until it was computed from the saved decisions."""

    def __init__(self, session: VisitSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setAccessibleName("Response by RECIST 1.1")
        self._end = session.on_change(self.renew)
        self.renew()

    def close_down(self) -> None:
        """Follow the comparison no more."""
        self._end()

    def renew(self) -> None:
        """Show the response as it is now."""
        pair = self.session.pair
        if pair is None:
            self.setHtml(f"<p>{escape(self.session.visits.why_not_compared or '')}</p>")
            return
        place = self.verticalScrollBar().value()
        text = response_html(pair.compared, pair.config, provisional=self.session.provisional)
        self.setHtml(self.session.as_shown(text))
        self.verticalScrollBar().setValue(place)


def peak_name(reading: Reading) -> str:
    """What the peak uptake is called in the unit of the later scan, such as SUVpeak."""
    return f"{uptake_name(reading.scans[-1].uptake_unit or '')[0]}peak"


def response_html(compared: ComparedScans, config: RecistConfig, *, provisional: bool) -> str:
    """Response, its reasons, the arithmetic and what is open, as of the later scan that is shown."""
    reading = compared.reading
    point = next((p for p in reading.time_points if p.scan == compared.later), None)
    if point is None:
        return "<p>The scans lie before the baseline, so there is no response.</p>"
    parts = []
    if point.overall is not None:
        word = point.overall.response
        said = f"RECIST 1.1: {escape(word)}, {RESPONSE_WORDS.get(word, '')}"
        note = " (provisional until saved)" if provisional else ""
        parts.append(f"<p><b>{said}</b><span style='color:{_GREY}'>{note}</span></p>")
        parts.append(f"<p>{escape(point.overall.reason)}</p>")
    rows = "".join(
        f"<tr><td style='padding-right:10px'>{escape(name)}</td><td>{escape(text)}</td></tr>"
        for name, text in response_lines(compared, config, peak_name(reading))
    )
    parts.append(f"<table cellspacing='2'>{rows}</table>")
    reasons = [point.targets.reason, point.non_targets.reason, point.new_lesion_reason]
    if point.targets.within_noise:
        reasons.append("The change is within the variability between readers.")
    parts += [f"<p>{escape(line)}</p>" for line in dict.fromkeys(reasons)]
    open_ones = [*(question.sentence for question in reading.questions), *reading.warnings]
    if open_ones:
        parts.append("<p><b>Open</b></p><ul>" + "".join(f"<li>{escape(s)}</li>" for s in open_ones) + "</ul>")
    return "".join(parts)
