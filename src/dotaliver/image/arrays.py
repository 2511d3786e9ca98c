"""Types of the arrays that images are made of."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "ArrayType", "LabelArray", "Scalar"]

Array = npt.NDArray[np.integer | np.floating]
"""Voxel values: whole or real numbers of any width"""
ArrayType = np.dtype[np.integer | np.floating]
"""Type of voxel values"""
LabelArray = npt.NDArray[np.unsignedinteger]
"""Labels of a `LabelMap`"""
Scalar = TypeVar("Scalar", bound=np.generic)
"""Type of the values of an array that a function returns as it was given"""
