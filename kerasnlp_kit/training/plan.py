"""Which rows go together in a batch."""

import numpy as np


def filled_up(
    rows: np.ndarray, widths: np.ndarray, batch_tokens: int, random: np.random.Generator | None
) -> list[np.ndarray]:
    """Cuts rows into batches of at most so many tokens, padding among them.

    Args:
        rows: int (rows,), sorted by width.
        widths: int (rows,), what each takes, rising.
        batch_tokens: most tokens of a batch; a row that has more is one by itself.
        random: of the order of the batches; None keeps it.
    """
    batches, start = [], 0
    while start < len(rows):
        # Widths rise: no more rows fit than of the first one's width, and the last one that does is the one where
        # (rows so far) * (its width) is still small enough.
        nearby = widths[start : start + max(1, batch_tokens // max(1, int(widths[start])))]
        fits = (np.arange(1, len(nearby) + 1) * nearby) <= batch_tokens
        size = max(1, int(fits.argmin()) if not fits.all() else len(fits))
        batches.append(rows[start : start + size])
        start += size
    return batches if random is None else [batches[index] for index in random.permutation(len(batches))]
