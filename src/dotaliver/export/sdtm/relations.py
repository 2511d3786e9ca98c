"""RELREC: how the rows of TU, TR, RS and XU belong together, dataset by dataset (SDTMIG 3.4, section 8.3)."""

from __future__ import annotations

from collections.abc import Mapping

from dotaliver.export.sdtm.datasets import RELATED_RECORDS, Dataset, Row

__all__ = ["RELATIONS", "related_records"]

RELATIONS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("TUTR", (("TU", "TULNKID", "ONE"), ("TR", "TRLNKID", "MANY"))),
    ("TUXU", (("TU", "TULNKID", "ONE"), ("XU", "XULNKID", "MANY"))),
    ("TRRS", (("TR", "TRLNKGRP", "MANY"), ("RS", "RSLNKGRP", "MANY"))),
)
"""RELID, and the domains that it relates with the linking variable and the kind of relation.

Lesions are linked by --LNKID; the results of a visit are linked to its responses by --LNKGRP.
"""


def related_records(datasets: Mapping[str, Dataset], study: str) -> Dataset | None:
    """RELREC between datasets that hold linked rows; None where there are none."""
    rows: list[Row] = []
    for relation, members in RELATIONS:
        if all(domain in datasets and _is_used(datasets[domain], name) for domain, name, _ in members):
            for domain, name, kind in members:
                rows.append(
                    {
                        "STUDYID": study,
                        "RDOMAIN": domain,
                        "USUBJID": None,
                        "IDVAR": name,
                        "IDVARVAL": None,
                        "RELTYPE": kind,
                        "RELID": relation,
                    }
                )
    return Dataset("RELREC", "Related Records", RELATED_RECORDS, tuple(rows)) if rows else None


def _is_used(dataset: Dataset, name: str) -> bool:
    return any(row.get(name) is not None for row in dataset.rows)
