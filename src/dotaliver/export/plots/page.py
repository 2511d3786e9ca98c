"""The plots of one patient's report and of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dotaliver.config.criteria import RecistConfig
from dotaliver.export.plots.data import (
    ROUTES,
    Bar,
    best_sum_change,
    diameter_lines,
    lane_of,
    lesion_bars,
    route_bars,
    sum_line,
)
from dotaliver.export.plots.drawing import Plot, spider, swimmer, waterfall
from dotaliver.longitudinal.records import PatientCourse, Reading

__all__ = ["SEQUENTIAL_DESIGN", "cohort_plots", "reading_plots"]

SEQUENTIAL_DESIGN = (
    "The design is sequential and not randomised: each patient received the routes one after the other, so earlier "
    "therapy and time differ between them, and a difference is not a comparison of the routes."
)
"""The caveat of every table and plot by route"""


def _thresholds(config: RecistConfig) -> Mapping[float, str]:
    return {-100.0 * config.response_share: "PR", 100.0 * config.progression_share: "PD where baseline is the nadir"}


def reading_plots(course: PatientCourse, reading: Reading) -> tuple[Plot, ...]:
    """Waterfall by lobe and by route, spider by lobe, and swimmer of one evaluator's course."""
    found = (
        waterfall(
            "Best change of target diameters from baseline, by lobe", lesion_bars(reading), {},
            "Each target's smallest diameter after baseline. Thresholds of response apply to the sum alone.",
        ),
        waterfall("Change of SUVpeak of each lesion, by route of therapy", route_bars(reading), {}, SEQUENTIAL_DESIGN),
        spider(
            "Target diameters over time, by lobe", diameter_lines(reading), {},
            "Change from baseline. A lesion that has merged with another has no diameter of its own from then on.",
        ),
        swimmer(
            "Course of the patient", [lane_of(course, reading, _who(reading))],
            "Scans with the overall response; between them the therapy by the manifest's column 'cycle'.",
        ),
    )  # fmt: skip
    return tuple(plot for plot in found if plot is not None)


def _who(reading: Reading) -> str:
    return " ".join(part for part in (reading.evaluator.role, reading.evaluator.identifier) if part).capitalize()


def cohort_plots(courses: Sequence[PatientCourse]) -> tuple[Plot, ...]:
    """Waterfall, spider and swimmer of several patients, by the accepted reading or else the first one."""
    if not courses:
        return ()
    pairs = [(course, _accepted(course), _name(course, n)) for n, course in enumerate(courses, start=1)]
    config = courses[0].config
    thresholds = _thresholds(config)
    found = (
        waterfall(
            "Best change of the sum of target diameters from baseline",
            {"All patients": [best_sum_change(course, reading, name) for course, reading, name in pairs]}, thresholds,
            "Smallest sum up to the first progression; colours are the best overall response. Progression is judged "
            "from the nadir, not from baseline.",
        ),
        waterfall(
            "Change of the lesions' mean SUVpeak, by route of therapy", _by_route(pairs), {}, SEQUENTIAL_DESIGN,
        ),
        spider(
            "Sum of target diameters over time",
            {"All patients": [sum_line(reading, name) for _, reading, name in pairs]}, thresholds,
            "Change from baseline, with the overall response of each visit.",
        ),
        swimmer(
            "Courses of the patients", [lane_of(course, reading, name) for course, reading, name in pairs],
            f"Scans with the overall response; between them the therapy. {SEQUENTIAL_DESIGN}",
        ),
    )  # fmt: skip
    return tuple(plot for plot in found if plot is not None)


def _by_route(pairs: Sequence[tuple[PatientCourse, Reading, str]]) -> dict[str, list[Bar]]:
    """The patients' change over the cycles of each route."""
    groups: dict[str, list[Bar]] = {}
    for _, reading, name in pairs:
        for effect in reading.routes:
            change = None if effect.suv_peak_change is None else 100.0 * effect.suv_peak_change
            groups.setdefault(ROUTES[effect.route], []).append(Bar(name, change))
    return {name: groups[name] for name in ROUTES.values() if name in groups}


def _name(course: PatientCourse, number: int) -> str:
    return f"Course {number}" if course.trial is None else f"{course.trial.site_id}-{course.trial.subject_id}"


def _accepted(course: PatientCourse) -> Reading:
    """The reading that is accepted on every scan where one is, else the first."""
    accepted = [r for r in course.readings if any(key.accepted for key in r.scans)]
    return (accepted or list(course.readings))[0]
