"""How a program begins that scores one study and ends: before anything that takes time to load is loaded."""

from __future__ import annotations

import gc
import sys

from dotaliver.system.allocation import keep_freed_memory
from dotaliver.system.processors import multiply_in_one_thread, processors
from dotaliver.system.second_process import SecondProcess

__all__ = ["begin"]


def begin(*, bounded: bool = False) -> SecondProcess:
    """A process that does part of a study's work beside this one; to be used in a ``with`` statement.

    Called before `dotaliver.pipeline` is imported. On Linux it is imported here, and the process is then forked, so
    that what both need is imported once. Where a fork is not safe (elsewhere than on Linux, or where this process may
    have threads because it has calculated before), the other process is spawned, which is only for programs that guard
    their start (``if __name__ == "__main__"``).

    Parameters
    ----------
    bounded : bool
        Whether the memory is bounded: then none is started, since it would take memory of its own.
    """
    multiply_in_one_thread()
    if bounded:
        return SecondProcess()
    keep_freed_memory()
    # The threads of numerical libraries begin with the first calculation, not with the import.
    is_fresh = sys.platform == "linux" and "numpy" not in sys.modules
    if is_fresh and processors() > 1:
        gc.disable()
        import dotaliver.pipeline.run  # noqa: F401

        # What was imported stays: nobody looks through it for garbage, which would copy it.
        gc.freeze()
        gc.enable()
    return SecondProcess(_load, forked=is_fresh)


def _load() -> None:
    """What the second process needs, loaded before there is work."""
    import cc3d  # noqa: F401
    import edt  # noqa: F401
    import skimage.morphology  # noqa: F401

    import dotaliver.segmentation.lesions_on_ct  # noqa: F401
    from dotaliver.export.dicom.files import load_dicom

    load_dicom()
