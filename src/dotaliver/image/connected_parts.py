"""Connected parts of masks too large to be labelled at once; the result is that of the whole mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from dotaliver.image.arrays import Array

__all__ = ["ConnectedParts"]


class ConnectedParts:
    """The face-connected parts of a mask, found slab by slab and merged across the faces between slabs.

    Parts are numbered from 1 in the order of their first voxels, as in the whole mask. The labels of one slab alone are
    kept; those of several are computed again by `slabs`.

    Parameters
    ----------
    mask : callable
        Gives the mask of some slices, ``[slice, row, column]``.
    count : int
        Slices of the mask.
    thickness : int
        Slices of a slab.
    """

    def __init__(self, mask: Callable[[slice], npt.NDArray[np.bool_]], count: int, thickness: int) -> None:
        self._mask, self._slices, self._thickness = mask, count, thickness
        self._kept: Array | None = None
        self._offsets: list[int] = []
        touching: list[Array] = []
        labels_so_far = 0
        above: Array | None = None
        for _, labels in self._own_labels():
            self._offsets.append(labels_so_far)
            if above is not None:
                touch = (above > 0) & (labels[0] > 0)
                touching.append(np.stack([above[touch], labels[0][touch].astype(np.int64) + labels_so_far]))
            last = labels[-1].astype(np.int64)
            above = np.where(last > 0, last + labels_so_far, 0)
            labels_so_far += int(labels.max(initial=0))
        pairs = np.unique(np.concatenate(touching, axis=1), axis=1) if touching else np.zeros((2, 0), dtype=np.int64)
        self._number = _numbered(pairs, labels_so_far + 1)
        self.count = int(self._number.max())

    def _own_labels(self) -> Iterator[tuple[slice, Array]]:
        import cc3d

        for first in range(0, self._slices, self._thickness):
            part = slice(first, min(first + self._thickness, self._slices))
            labels = self._kept
            if labels is None:
                labels = cc3d.connected_components(np.ascontiguousarray(self._mask(part)), connectivity=6)
            if self._thickness >= self._slices:
                self._kept = labels
            yield part, labels

    def slabs(self) -> Iterator[tuple[slice, Array]]:
        """The slices of each slab and the numbers of the parts there."""
        for offset, (part, labels) in zip(self._offsets, self._own_labels(), strict=True):
            table = np.concatenate([[0], self._number[offset + 1 :][: int(labels.max(initial=0))]])
            yield part, table.astype(np.uint32)[labels]

    def sizes(self, where: Callable[[slice], npt.NDArray[np.bool_]] | None = None) -> npt.NDArray[np.int64]:
        """Number of voxels of each part, or of those inside a mask; index 0 is the background."""
        sizes = np.zeros(self.count + 1, dtype=np.int64)
        for part, labels in self.slabs():
            inside = None if where is None else where(part)
            for k, plane in enumerate(labels):
                seen = plane != 0 if inside is None else (plane != 0) & inside[k]
                sizes += np.bincount(plane[seen], minlength=len(sizes))
        return sizes

    def chosen(self, wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[slice, npt.NDArray[np.bool_]]]:
        """The slices of each slab, and where the wanted parts lie; ``wanted`` has one entry for each number."""
        for part, labels in self.slabs():
            yield part, wanted[labels]


def _numbered(pairs: Array, count: int) -> npt.NDArray[np.int64]:
    """The part that each label belongs to, given pairs that touch; parts are numbered by their first labels."""
    if not pairs.size:
        return np.arange(count, dtype=np.int64)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(pairs.shape[1], dtype=bool), (pairs[0], pairs[1])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    _, first, part = np.unique(part, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[part], dtype=np.int64)
