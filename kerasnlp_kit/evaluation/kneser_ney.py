"""The n-gram model that others are compared with: interpolated, with modified Kneser-Ney smoothing."""

from collections.abc import Sequence

import numpy as np

BEGIN = 0  # of a text, in place of what is before it; counted as no token


class KneserNey:
    """Probabilities of tokens from the ``order - 1`` before them.

    Chen & Goodman 1999, "An Empirical Study of Smoothing Techniques for Language Modeling", section 2.7 and appendix A:
    all orders are interpolated, each with three discounts found from how many n-grams come once to four times, and the
    lower ones count in how many contexts a token comes; below the unigrams stands the even distribution. N-grams at the
    begin of a text have nothing before them and are counted as they come (Heafield et al. 2013, section 3.2).

    Args:
        texts: to learn from; of each the tokens, int (tokens,), from 1 on, the end of the text among them if it is to
            be told.
        vocabulary: how many different tokens there are; a text holds 1 to this number.
        order: n, 1 or more.
    """

    def __init__(self, texts: Sequence[np.ndarray], vocabulary: int, order: int = 5) -> None:
        self.vocabulary = vocabulary
        self.order = order
        tokens, depth = _joined(texts)
        self._keys: list[np.ndarray] = []  # of each order, sorted: number of the n-gram without its last token, and it
        self._gains: list[np.ndarray] = []  # of each n-gram: its discounted share
        self._backoffs: list[np.ndarray] = [np.ones(1)]  # of each context of one order less: what is left for the lower
        places = [np.zeros(len(tokens), np.int64)]  # of each order, the n-gram that ends at each token; -1 for none
        counted = []
        for size in range(1, order + 1):
            before = _shifted(places[-1]) if size > 1 else places[-1]
            here = (before >= 0) & (depth >= size - 1)
            keys = before[here] * (vocabulary + 1) + tokens[here]
            unique, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
            number = np.full(len(tokens), -1, np.int64)
            number[here] = inverse
            self._keys.append(unique)
            places.append(number)
            counted.append((counts, np.flatnonzero(here)[first]))
        for size in range(1, order + 1):
            counts, first = counted[size - 1]
            if size < order:
                # Of each longer n-gram one place, and what it ends with.
                longer = counted[size][1]
                kinds = np.bincount(places[size][longer], minlength=len(counts))
                counts = np.where(depth[first] == size - 1, counts, kinds)
            self._smooth(size, counts, tokens[first] != BEGIN)

    def log_probabilities(self, texts: Sequence[np.ndarray]) -> np.ndarray:
        """Of each token of each text, from those before it in the text: float64 (all tokens,)."""
        tokens, depth = _joined(texts)
        found = np.full(len(tokens), 1 / self.vocabulary)
        node = np.zeros(len(tokens), np.int64)  # of the order before, the n-gram that ends here
        for size, keys in enumerate(self._keys, 1):
            if not len(keys):  # no text that was learnt from is so long
                break
            context = np.where(depth >= size - 1, _shifted(node) if size > 1 else node, -1)
            node = self._find(size, context, tokens)
            share = np.where(node >= 0, self._gains[size - 1][node], 0.0)
            found = np.where(context >= 0, share + self._backoffs[size - 1][context] * found, found)
        return np.log(found[depth > 0])

    def _find(self, size: int, context: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        keys = self._keys[size - 1]
        wanted = context * (self.vocabulary + 1) + tokens
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((context >= 0) & (keys[place] == wanted), place, -1)

    def _smooth(self, size: int, counts: np.ndarray, told: np.ndarray) -> None:
        """Shares of the n-grams of one order, and what their contexts leave; what is not ``told`` is no outcome."""
        counts = np.where(told, counts, 0)
        context = self._keys[size - 1] // (self.vocabulary + 1)
        contexts = 1 if size == 1 else len(self._keys[size - 2])
        total = np.bincount(context, counts, contexts)
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        self._gains.append((counts - discounts) / np.maximum(total[context], 1))
        left = np.bincount(context, discounts, contexts)
        # A context that nothing follows, at the end of the texts, leaves all.
        share = np.where(total > 0, left / np.maximum(total, 1), 1.0)
        if size == 1:
            self._backoffs[0] = share
        else:
            self._backoffs.append(share)


def _joined(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All texts, BEGIN before each, and how many tokens of its text stand before each: int64 (total,) each."""
    lengths = np.array([len(text) + 1 for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    tokens = np.full(lengths.sum(), BEGIN, np.int64)
    inside = np.ones(len(tokens), bool)
    inside[starts] = False
    tokens[inside] = np.concatenate([np.zeros(0, np.int64), *texts])
    return tokens, np.arange(len(tokens)) - np.repeat(starts, lengths)


def _shifted(values: np.ndarray) -> np.ndarray:
    """Of each place the value of the one before."""
    return np.concatenate([[-1], values[:-1]])


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2 and more: float (4,); equation 26."""
    once, twice, thrice, four = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if not (once and twice):
        return np.array([0.0, 0.5, 0.75, 0.9])  # too few texts to tell
    share = once / (once + 2 * twice)
    found = [0.0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice]
    found.append(3 - 4 * share * four / thrice if thrice else found[2])
    # Each n-gram keeps something, and gives something to the others.
    return np.clip(found, [0.0, 0.05, 0.05, 0.05], [0.0, 0.95, 1.95, 2.95])
