"""Token ids of many texts, side by side in one array."""

from dataclasses import dataclass

import numpy as np

FULL_WIDTH = 256  # tokens of a row; of longer ones fewer are computed at once


@dataclass(frozen=True)
class TokenIds:
    """Rows of different lengths without padding: four bytes a token, eight a row.

    Attributes:
        values: int32 (total,), the ids of all rows one after the other.
        offsets: int64 (rows + 1,), row `i` is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each row: int64 (rows,)."""
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        """Ids of one row: int32 (tokens,), a view."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} rows. Received: {index}")
        index %= len(self)
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: np.ndarray) -> "TokenIds":
        """The rows at `indices`, in that order, as a copy."""
        indices = np.asarray(indices, np.int64)
        lengths = self.lengths[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Where each row moves by, repeated for each of its tokens, turns new positions into old ones.
        moved = np.repeat(self.offsets[:-1][indices] - offsets[:-1], lengths)
        return TokenIds(self.values[np.arange(offsets[-1]) + moved], offsets)


def rows_at(width: int, most: int) -> int:
    """Rows of a batch that take no more memory than ``most`` of `FULL_WIDTH`, by the square as attention takes it."""
    return max(1, int(most * min(1.0, FULL_WIDTH / max(1, width)) ** 2))
