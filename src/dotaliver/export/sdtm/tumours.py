"""The rows of TU: which lesions there are, and which have split or merged."""

from __future__ import annotations

from collections.abc import Iterator

from dotaliver.export.sdtm.datasets import Row, Value
from dotaliver.export.sdtm.row_writer import GROUPS, RowWriter, codes_of, method_of
from dotaliver.longitudinal.followed import UNKNOWN_ORGAN
from dotaliver.longitudinal.records import Appearance, TrackedLesion

__all__ = ["tumour_rows"]


def tumour_rows(writer: RowWriter) -> Iterator[Row]:
    """Each lesion that the response counts, with its splits and merges."""
    for role in GROUPS:
        for lesion in writer.reading.role(role):
            if lesion.identified_on is not None:
                yield _identified(writer, lesion, lesion.identified_on)
                yield from _splits(writer, lesion)
                yield from _merges(writer, lesion)


def _identified(writer: RowWriter, lesion: TrackedLesion, scan: int) -> Row:
    return writer.row(
        "TU",
        scan,
        LNKID=writer.names[lesion.lesion],
        REFID=lesion.lesion,
        **codes_of("TUMIDENT"),
        **_classified(lesion),
        METHOD=method_of(writer, lesion, scan),
        LOBXFL=writer.last_before_treatment(scan),
    )


def _classified(lesion: TrackedLesion) -> dict[str, Value]:
    group = GROUPS[lesion.role]
    # The codelist LOC has no term for an unknown place.
    return {"ORRES": group, "STRESC": group, "LOC": None if lesion.organ == UNKNOWN_ORGAN else lesion.organ}


def _from_baseline(writer: RowWriter, lesion: TrackedLesion) -> Iterator[Appearance]:
    """Its appearances on the scans of the response that are beyond question."""
    for appearance in lesion.track.appearances:
        if appearance.scan >= writer.reading.baseline and writer.is_sure(appearance):
            yield appearance


def _splits(writer: RowWriter, lesion: TrackedLesion) -> Iterator[Row]:
    """Parts of a lesion (T01.1, T01.2), each on the scan that first shows it."""
    name, known = writer.names[lesion.lesion], 0
    for appearance in _from_baseline(writer, lesion):
        if appearance.state != "split":
            continue
        for part in range(known + 1, len(appearance.labels) + 1):
            yield writer.row(
                "TU", appearance.scan, GRPID=name, LNKID=f"{name}.{part}", REFID=lesion.lesion,
                **codes_of("TUSPLIT"), **_classified(lesion), METHOD=method_of(writer, lesion, appearance.scan),
                LOBXFL=writer.last_before_treatment(appearance.scan),
            )  # fmt: skip
        known = max(known, len(appearance.labels))


def _merges(writer: RowWriter, lesion: TrackedLesion) -> Iterator[Row]:
    """The lesion that contains it now, on the scan that first shows it; the group is the containing lesion's."""
    before: str | None = None
    for appearance in _from_baseline(writer, lesion):
        into = appearance.merged_into if appearance.state == "merged" else None
        if into is not None and into != before:
            carrier = next((n for n in writer.reading.lesions if n.lesion == into), lesion)
            yield writer.row(
                "TU", appearance.scan, GRPID=writer.names.get(into, into), LNKID=writer.names[lesion.lesion],
                REFID=lesion.lesion, **codes_of("TUMERGE"), **_classified(lesion),
                METHOD=method_of(writer, carrier, appearance.scan),
                LOBXFL=writer.last_before_treatment(appearance.scan),
            )  # fmt: skip
        before = into
