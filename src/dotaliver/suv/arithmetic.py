"""From voxel values to standardised uptake value: arithmetic alone, no DICOM.

The body-weight SUV is the activity concentration in a voxel, divided by the injected activity per gram of
body, both at one instant (Kinahan & Fletcher 2010; IBSI SUV manual). A series whose voxels are decay
corrected to an instant ``t_ref`` needs the injected activity at that instant::

    SUVbw = A [Bq/ml] * W [g] / (D [Bq] * 2**(-(t_ref - t_injection) / half_life))

ADMIN images are corrected to the injection itself (no decay is left to apply); in NONE images each frame shows
the mean activity while it was acquired, so every frame has a factor of its own. Philips stores counts with a factor
to SUVbw (7053,1000), or to Bq/ml (7053,1009); voxels in g/ml or cm²/ml are SUV already, by one of several
normalisations (`dotaliver.suv.body_size`).
"""

from __future__ import annotations

from dotaliver.errors import SuvError
from dotaliver.image.volume import Quantity
from dotaliver.suv.body_size import Normalisation, body_size, size_formula
from dotaliver.suv.decay import (
    DecayCorrection,
    FrameTiming,
    average_decay_during_frame,
    decay_factor,
    frame_decay_reference,
)
from dotaliver.suv.from_activity import suv_from_activity
from dotaliver.suv.records import (
    CrossCheck,
    PetUnits,
    SuvArithmetic,
    SuvInputs,
    SuvStep,
    body_steps,
    reported_inputs,
    symbol,
    with_unit,
)

__all__ = [
    "DecayCorrection",
    "FrameTiming",
    "PetUnits",
    "SuvArithmetic",
    "SuvInputs",
    "SuvStep",
    "average_decay_during_frame",
    "decay_factor",
    "frame_decay_reference",
    "quantity_of",
    "suvbw_arithmetic",
]

_QUANTITIES = {
    Normalisation.BODY_WEIGHT: Quantity.SUVBW,
    Normalisation.LEAN_JANMAHASATIAN: Quantity.SUVLBM,
    Normalisation.LEAN_JAMES: Quantity.SUVLBM,
    Normalisation.BODY_SURFACE: Quantity.SUVBSA,
    Normalisation.IDEAL_WEIGHT: Quantity.SUVIBW,
}


def quantity_of(normalisation: Normalisation) -> Quantity:
    """The quantity of a volume by its normalisation; `SuvError` for one that is only read from files."""
    if normalisation not in _QUANTITIES:
        msg = f"SUV by {normalisation.words} can be read but not computed; choose another normalisation"
        raise SuvError(msg)
    return _QUANTITIES[normalisation]


def suvbw_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    """Work out the factor from voxel values to SUV, by body weight unless inputs want another, with every step.

    Raises
    ------
    SuvError
        Where the scan lies before its injection, the reference time cannot be found, or an input is missing.

    Examples
    --------
    70 kg, 150 MBq of 68Ga at 9:00, decay corrected to 10:00: 70000 g / (150e6 Bq x 2^(-3600 / 4062.6)).

    >>> from datetime import datetime
    >>> from dotaliver.suv.decay import DecayCorrection
    >>> inputs = SuvInputs(
    ...     decay_correction=DecayCorrection.START,
    ...     weight_kg=70,
    ...     dose_bq=150e6,
    ...     half_life_s=4062.6,
    ...     injection=datetime(2024, 3, 1, 9),
    ...     stated_reference=datetime(2024, 3, 1, 10),
    ...     sources={},
    ... )
    >>> round(10_000 * suvbw_arithmetic(inputs).slope_per_bqml, 2)
    8.62
    """
    quantity_of(inputs.normalisation)
    if inputs.units in {PetUnits.GML, PetUnits.CM2ML}:
        return _from_stored_suv(inputs)
    if inputs.units is PetUnits.CNTS:
        return _from_counts(inputs)
    return suv_from_activity(inputs)


# --- voxels that are counts with a factor, or SUV already ------------------------------------------------------------


def _from_counts(inputs: SuvInputs) -> SuvArithmetic:
    """Philips: by the factor to SUVbw where there is one, else by the factor to Bq/ml.

    The factor to SUVbw comes first, for it is what the scanner itself shows; images without decay correction need
    the one to Bq/ml, for one factor cannot serve beds of different times. Where both can be used, the second is
    the cross-check of the first.
    """
    activity = None
    if inputs.bqml_per_count is not None:
        activity = _counts_by_activity(inputs, inputs.bqml_per_count)
    if inputs.suv_per_count is None or inputs.decay_correction is DecayCorrection.NONE:
        if activity is None:
            msg = (
                "Units (0054,1001) is CNTS, and Philips' factors to SUV (7053,1000) and to activity (7053,1009) are "
                "absent or 0"
                if inputs.suv_per_count is None
                else "Decay Correction (0054,1102) is NONE, for which Philips' factor to activity (7053,1009) is needed"
            )
            msg += "; give a series in BQML"
            raise SuvError(msg)
        return activity
    counts = SuvStep(
        quantity="SUVbw per count",
        value=f"{inputs.suv_per_count:.8g}",
        source=inputs.sources.get("suv_per_count", "Philips' private factor (7053,1000)"),
    )
    found = _renormalised(inputs, Normalisation.BODY_WEIGHT, inputs.suv_per_count, (counts,))
    if activity is None or len(activity.voxel_factors) > 1:
        return found
    (other,), (own,) = activity.voxel_factors, found.voxel_factors
    percent = 100.0 * (other / own - 1.0)
    source = "Philips' factor to activity (7053,1009) with weight, activity and times of the header"
    value = f"{other:.8g} per count would change SUV by {percent:+.2f} %"
    update = {
        "alternative_percent": percent,
        "cross_checks": (CrossCheck(source=source, instant=activity.reference, percent=percent),),
        "steps": (*found.steps, SuvStep(quantity="Cross-check", value=value, source=source)),
    }
    return found.model_copy(update=update)


def _counts_by_activity(inputs: SuvInputs, bqml_per_count: float) -> SuvArithmetic | None:
    """Counts to Bq/ml and on to SUV; None where the other factor serves and this one only lacks a check's inputs."""
    try:
        activity = suv_from_activity(inputs)
    except SuvError:
        if inputs.suv_per_count is None or inputs.decay_correction is DecayCorrection.NONE:
            raise
        return None
    source = inputs.sources.get("bqml_per_count", "Philips' private factor (7053,1009)")
    step = SuvStep(quantity="Bq/ml per count", value=f"{bqml_per_count:.8g}", source=source)
    per_count = [bqml_per_count * factor for factor in activity.voxel_factors]
    last = SuvStep(
        quantity=f"{symbol(inputs)} per count",
        value=f"{per_count[0]:.8g}",
        source="Bq/ml per count × SUV per Bq/ml" + (", of the first slice" if len(per_count) > 1 else ""),
    )
    found = {"suv_per_voxel_unit": per_count[0]} if len(per_count) == 1 else {"suvs_per_voxel_unit": tuple(per_count)}
    return activity.model_copy(update={"steps": (step, *activity.steps, last), **found})


def _from_stored_suv(inputs: SuvInputs) -> SuvArithmetic:
    stored = inputs.stored_normalisation
    unit = "cm²/ml" if inputs.units is PetUnits.CM2ML else "g/ml"
    first = SuvStep(
        quantity="Voxels",
        value=f"SUV by {stored.words}, in {unit}: dose, times and decay are not used",
        source=inputs.sources.get("stored_normalisation", "Units (0054,1001)"),
    )
    return _renormalised(inputs, stored, 1.0, (first,))


def _renormalised(
    inputs: SuvInputs, stored: Normalisation, per_unit: float, first: tuple[SuvStep, ...]
) -> SuvArithmetic:
    """From SUV by one normalisation to the wanted one: the ratio of the two sizes of the body."""
    wanted, factor = inputs.normalisation, per_unit
    steps = list(first)
    if wanted is not stored:
        sizes = {n: body_size(n, inputs.body) for n in (stored, wanted)}
        steps.extend(body_steps(inputs))
        steps.extend(
            SuvStep(quantity=f"Size by {n.words}", value=with_unit(n, size), source=size_formula(n, inputs.body))
            for n, size in sizes.items()
        )
        factor *= sizes[wanted] / sizes[stored]
    formula = f"{per_unit:.8g}"
    if wanted is not stored:
        formula += f" × {with_unit(wanted, sizes[wanted])} / {with_unit(stored, sizes[stored])}"
    per = "count" if inputs.units is PetUnits.CNTS else "voxel value"
    steps.append(SuvStep(quantity=f"{symbol(inputs)} per {per}", value=f"{factor:.8g}", source=formula))
    return SuvArithmetic.model_validate(reported_inputs(inputs) | {"suv_per_voxel_unit": factor, "steps": tuple(steps)})
