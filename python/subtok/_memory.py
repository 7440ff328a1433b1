"""Large arrays that are used again.

A fresh array of 100 MB costs as much as what is written to it: the system hands out its pages one
by one. So an array that nobody refers to any more is kept for the next result of its size.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Recycler"]

# How much larger than what is asked for an array may be that is given for it.
_WASTE = 1.25


class Recycler:
    """Lends out arrays, and takes back those that are no longer in use.

    Safe to use from several threads: every step is one operation on a dictionary, which needs no
    lock; the collector of unused objects may come back to this class in the middle of any of them.

    Args:
        most: The bytes that unused arrays may keep.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._idle: dict[int, npt.NDArray[np.float32]] = {}
        self._lent: dict[int, tuple[weakref.ref[Any], npt.NDArray[np.float32]]] = {}

    def take(self, numbers: int) -> npt.NDArray[np.float32]:
        """A flat float32 array of arbitrary content.

        It goes back when the array object itself is no longer referred to: views of it are not
        enough to keep it, so what is made of it must hold on to it, as `torch.from_numpy` does.
        """
        view = self._whole(numbers)[:numbers]
        whole = view.base
        assert whole is not None  # noqa: S101 (a slice has one)
        key = id(view)

        def give_back(_: object) -> None:
            _, buffer = self._lent.pop(key)
            self._idle[id(buffer)] = buffer
            self.trim()

        self._lent[key] = (weakref.ref(view, give_back), whole)
        return view

    def trim(self) -> None:
        """Forget unused arrays, the oldest first, until few enough bytes are kept."""
        while sum(buffer.nbytes for buffer in list(self._idle.values())) > self.most:
            for key in list(self._idle)[:1]:
                self._idle.pop(key, None)

    def _whole(self, numbers: int) -> npt.NDArray[np.float32]:
        for key, buffer in list(self._idle.items()):
            if numbers <= buffer.size <= numbers * _WASTE:
                found = self._idle.pop(key, None)
                if found is not None:
                    return found
        # Not more than is needed: numpy asks for large pages where they help.
        return np.empty(numbers, np.float32)
