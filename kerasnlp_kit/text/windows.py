"""Texts as rows of tokens of a limited length, for learning the next token."""

import numpy as np

from kerasnlp_kit.constants import BOS, EOS
from kerasnlp_kit.text.token_ids import TokenIds


def with_ends(ids: TokenIds) -> TokenIds:
    """Each row between BOS and EOS."""
    lengths = ids.lengths + 2
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.empty(offsets[-1], np.int32)
    inside = np.ones(offsets[-1], bool)
    inside[offsets[:-1]] = inside[offsets[1:] - 1] = False
    values[offsets[:-1]] = BOS
    values[offsets[1:] - 1] = EOS
    values[inside] = ids.values
    return TokenIds(values, offsets)


def windows(ids: TokenIds, context: int, packed: bool) -> TokenIds:
    """Rows that together hold each token once as the one that follows.

    Args:
        ids: of texts, without begin and end.
        context: most tokens that are read; a row has one more, which follows the last one read.
        packed: whether all texts are one, in their order, so that a row may begin in one and end in another.

    Returns:
        Rows of 2 to ``context + 1`` tokens, BOS and EOS of the texts among them; of a text that is cut, each row begins
        with the last token of the one before.
    """
    rows = with_ends(ids)
    offsets = np.array([0, len(rows.values)], np.int64) if packed else rows.offsets
    lengths = np.diff(offsets)
    pieces = np.maximum(1, -(-(lengths - 1) // context))
    row = np.repeat(np.arange(len(lengths)), pieces)
    first = np.concatenate([[0], np.cumsum(pieces)])[:-1]
    begins = offsets[:-1][row] + (np.arange(len(row)) - first[row]) * context
    ends = np.minimum(begins + context + 1, offsets[1:][row])
    starts = np.concatenate([[0], np.cumsum(ends - begins)]).astype(np.int64)
    moved = np.repeat(begins - starts[:-1], ends - begins)
    return TokenIds(rows.values[np.arange(starts[-1]) + moved], starts)


def scoring_windows(length: int, context: int) -> list[tuple[int, int, int]]:
    """How a text is cut where each of its tokens is to be seen with at least half of the context before it.

    Args:
        length: of the text in tokens, BOS and EOS among them.
        context: most tokens that are read.

    Returns:
        Of each piece its first token, the one behind its last, and how many of those that follow were scored by the
        piece before.
    """
    stride = max(1, context // 2)
    count = 1 + max(0, -(-(length - 1 - context) // stride))
    return [
        (number * stride, min(number * stride + context + 1, length), 0 if number == 0 else context - stride)
        for number in range(count)
    ]
