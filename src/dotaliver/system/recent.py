"""Results of pure functions, kept for as long as the same inputs may be asked for again.

What a result depends on is its key: a function is given nothing else. Measuring again after an edit then computes what
the edit changed, and what it finds here is to the bit what it would have computed.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Recent", "content_of"]

Made = TypeVar("Made")


def content_of(array: npt.NDArray[Any]) -> Hashable:
    """What tells an array from any other: its type, shape and values."""
    values = hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=32).digest()
    return array.dtype.str, array.shape, values


class Recent:
    """The last results of some functions.

    Another process gets it empty.

    Parameters
    ----------
    most : int
        How many are kept; of those that are too many, the one that was asked for longest ago goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, Any] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The result of a function for a key that holds all that it depends on; made where it is not kept."""
        if key in self._made:
            self._made.move_to_end(key)
        else:
            self._made[key] = make()
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        made: Made = self._made[key]
        return made

    def __len__(self) -> int:
        return len(self._made)

    def __reduce__(self) -> tuple[type[Recent], tuple[int]]:
        return Recent, (self._most,)
