"""What the proofs of models that learn texts share."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.export.verify import HARD_TEXTS

LONGEST_HARD = 2_000  # bytes: of a longer text every token would be scored, for minutes


@dataclass(frozen=True)
class OrderedTexts:
    """What a SavedModel is asked about.

    Attributes:
        texts: hard ones first, then those of all parts, by length: less padding.
        rows: of each part, where its texts stand, int (texts,).
    """

    texts: list[bytes]
    rows: Mapping[str, np.ndarray]

    def typical(self, count: int) -> list[bytes]:
        """Some texts of middle length."""
        own = self.texts[len(HARD_TEXTS) :]
        return own[max(0, len(own) // 2 - count) :][:count]


def ordered_texts(parts: Mapping[str, Examples]) -> OrderedTexts:
    """The texts of all parts."""
    from kerasnlp_kit.text.tokenizer_graph import to_bytes  # imports TensorFlow

    asked = [to_bytes(text) for one in parts.values() for text in one.texts]
    order = np.argsort([len(text) for text in asked], kind="stable")
    place = np.argsort(order) + len(HARD_TEXTS)
    rows, start = {}, 0
    for name, one in parts.items():
        rows[name] = place[start : start + len(one)]
        start += len(one)
    hard = [text[:LONGEST_HARD] for text in HARD_TEXTS]
    return OrderedTexts([*hard, *(asked[row] for row in order)], rows)
