"""How a program begins that scores one study and ends: before anything that takes time to load is loaded."""

from __future__ import annotations

from dotaliver.system.allocation import keep_freed_memory
from dotaliver.system.second_process import SecondProcess

__all__ = ["begin"]


def begin(*, bounded: bool = False) -> SecondProcess:
    """A process that does part of a study's work beside this one; to be used in a ``with`` statement.

    Called before `dotaliver.pipeline` is imported, so that the other process loads its part at the same time. Only for
    programs that guard their start (``if __name__ == "__main__"``): it is spawned.

    Parameters
    ----------
    bounded : bool
        Whether the memory is bounded: then none is started, since it would take memory of its own.
    """
    if bounded:
        return SecondProcess()
    keep_freed_memory()
    return SecondProcess(_load)


def _load() -> None:
    """What the second process needs, loaded before there is work."""
    import cc3d  # noqa: F401
    import edt  # noqa: F401
    import skimage.morphology  # noqa: F401

    import dotaliver.segmentation.lesions_on_ct  # noqa: F401
    from dotaliver.export.dicom.files import load_dicom

    load_dicom()
