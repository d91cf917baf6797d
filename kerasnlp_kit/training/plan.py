"""Which rows go together in a batch."""

import numpy as np


def filled_up(
    rows: np.ndarray,
    widths: np.ndarray,
    batch_tokens: int,
    random: np.random.Generator | None,
    count: int | None = None,
) -> list[np.ndarray]:
    """Cuts rows into batches of at most so many tokens, padding among them.

    Args:
        rows: int (rows,), sorted by width.
        widths: int (rows,), what each takes, rising.
        batch_tokens: most tokens of a batch; a row that has more is one by itself.
        random: of the order of the batches; None keeps it.
        count: how many batches there must be, at most one a row: then they have as few tokens as that allows.
    """
    batches = _cut(rows, widths, batch_tokens) if count is None else _cut_to(rows, widths, count)
    return batches if random is None else [batches[index] for index in random.permutation(len(batches))]


def _cut_to(rows: np.ndarray, widths: np.ndarray, count: int) -> list[np.ndarray]:
    fewest, most = 1, max(1, int(widths.max(initial=1))) * max(1, len(rows))
    while fewest < most:
        middle = (fewest + most) // 2
        if len(_cut(rows, widths, middle)) <= count:
            most = middle
        else:
            fewest = middle + 1
    batches = _cut(rows, widths, most)
    while len(batches) < count:  # the number falls by more than one at some sizes
        place = max(range(len(batches)), key=lambda number: len(batches[number]))
        half = len(batches[place]) // 2
        batches[place : place + 1] = [batches[place][:half], batches[place][half:]]
    return batches


def _cut(rows: np.ndarray, widths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    batches, start = [], 0
    while start < len(rows):
        # Widths rise: no more rows fit than of the first one's width, and the last one that does is the one where
        # (rows so far) * (its width) is still small enough.
        nearby = widths[start : start + max(1, batch_tokens // max(1, int(widths[start])))]
        fits = (np.arange(1, len(nearby) + 1) * nearby) <= batch_tokens
        size = max(1, int(fits.argmin()) if not fits.all() else len(fits))
        batches.append(rows[start : start + size])
        start += size
    return batches
