"""Between the two halves: lesions that a reader points at on CT are outlined, and added where none was known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dotaliver.config.scoring import ScoringConfig
from dotaliver.records.edits import LesionClick
from dotaliver.records.masks import Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.clicked_lesions import Clicked, ClickSite, click_site, with_outlines
from dotaliver.segmentation.corrections import Corrections, with_masks

__all__ = ["Complete", "with_clicks"]

Complete = Callable[[Segmentations], Segmentations]


def with_clicks(
    volumes: StudyVolumes,
    found: Segmentations,
    clicks: tuple[LesionClick, ...],
    config: ScoringConfig,
    complete: Complete,
    *,
    site: ClickSite | None = None,
) -> Segmentations:
    """Outline the lesions that a reader points at.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        What the first half found, with or without earlier clicks, which do not count any more.
    clicks : tuple of LesionClick
        Places on the image that diameters are measured on.
    config : ScoringConfig
        How a border is found.
    complete : callable
        Finds again what an added lesion overtakes (`dotaliver.pipeline.segment_study`): a normal-liver sphere that it
        comes near to.
    site : ClickSite, optional
        Of ``found``, where it is at hand.

    Returns
    -------
    Segmentations
        ``automatic`` is what there was without clicks.

    Raises
    ------
    ConfigError
        For a place from which nothing can be measured, with the reason.
    """
    base = found.automatic
    if not clicks:
        return base
    site = site or click_site(volumes, base, config)
    clicked: list[Clicked] = [site.measure(click) for click in clicks]
    lesions, on_ct, by_label = with_outlines(volumes, base, site, tuple(clicked))
    changed = base
    if lesions is not base.lesions:
        changed = with_masks(base, Corrections(lesions=lesions), config)
    unseen = {label: why for label, why in changed.unseen_on_ct.items() if label not in by_label}
    # Outlines of lesions that did not change stay, so that completing looks for none of them again.
    unseen = {**{n: why for n, why in base.unseen_on_ct.items() if n not in by_label}, **unseen}
    changed = replace(changed, ct_lesions=on_ct, unseen_on_ct=unseen)
    if lesions is not base.lesions:
        changed = complete(changed)
    return replace(changed, clicked=by_label, before_clicks=base)
