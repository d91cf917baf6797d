"""A model whose every number is known: logits from a table, by the row, all that was written and the last token."""

import itertools

import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax, softmax

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK

HISTORIES = 5


class Table:
    """Has the steps of an `EncoderDecoder` in keras.ops, and the same again as plain Python.

    Attributes:
        pieces: the tokens that are neither padding, unknown, begin nor end.
        memory: of the sources; row n of a batch is what ``rows`` says.
        steps: how many were asked for.
        computed: rows of all these steps.
    """

    def __init__(self, rows=3, pieces=3, source=4, seed=0):
        random = np.random.default_rng(seed)
        self.pieces = list(range(4, 4 + pieces))
        vocabulary = 4 + pieces
        self.logits = random.normal(scale=1.5, size=(rows, HISTORIES, vocabulary, vocabulary)).astype("float32")
        self.attention = softmax(random.normal(scale=2, size=(rows, vocabulary, source)), axis=-1).astype("float32")
        self.memory = {"rows": np.arange(rows, dtype="int32")}
        self.steps = self.computed = 0

    def start(self, memory, beam, length):
        return {"history": ops.zeros((ops.shape(memory["rows"])[0], beam), "int32")}

    def step(self, tokens, position, memory, cache):
        self.steps += 1
        batch = ops.shape(tokens)[0]
        self.computed += batch if isinstance(batch, int) else 0  # a graph does not know it yet
        history = (cache["history"] * 2 + tokens) % HISTORIES
        vocabulary = self.logits.shape[-1]
        rows = memory["rows"][:, None]
        place = (rows * HISTORIES + history) * vocabulary + tokens
        logits = ops.take(ops.reshape(self.logits, (-1, vocabulary)), place, axis=0)
        flat = ops.reshape(self.attention, (-1, self.attention.shape[-1]))
        return logits, {"history": history}, ops.take(flat, rows * vocabulary + tokens, axis=0)

    def walk(self, row, text):
        """Log-probabilities at each token of a text, (tokens, vocabulary), and the attention, (tokens, source)."""
        history, last, found, seen = 0, BOS, [], []
        for token in text:
            history = (history * 2 + last) % HISTORIES
            logits = self.logits[row, history, last].astype("float64")
            logits[[PAD, BOS]] = -np.inf
            found.append(log_softmax(logits))
            seen.append(self.attention[row, last])
            last = token
        return np.array(found), np.array(seen)

    def log_probability(self, row, text):
        return self.walk(row, text)[0][range(len(text)), text].sum()

    def texts(self, limit, unknown=False):
        """All texts with at most ``limit`` tokens, the end among them."""
        tokens = [UNK, *self.pieces] if unknown else self.pieces
        return [(*text, EOS) for length in range(limit) for text in itertools.product(tokens, repeat=length)]


@pytest.fixture
def make_table():
    return Table


@pytest.fixture
def table():
    return Table()


def rows_of(tokens):
    """Texts up to their end, which is there but for rows without a text: int (..., time) to nested tuples."""
    tokens = np.asarray(tokens)
    if tokens.ndim > 1:
        return [rows_of(row) for row in tokens]
    if not tokens.any():
        return ()
    end = tokens.tolist().index(EOS)
    assert not tokens[end + 1 :].any(), "padding behind the end"
    return tuple(tokens[: end + 1].tolist())


@pytest.fixture(name="rows_of")
def rows_of_fixture():
    return rows_of
