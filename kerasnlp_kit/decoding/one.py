"""One output a row: the most probable token at each step, or one that is drawn."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnlp_kit.constants import BOS, EOS, LOWEST, PAD
from kerasnlp_kit.decoding.protocol import Decoded, Generator, forced, put, writable
from kerasnlp_kit.decoding.rounds import State, given, run

_COLDEST = 1e-4  # temperature; below it, rounding would decide
Choose = Callable[[Any, Any, State], Any]
"""Logits float32 (batch, 1, vocabulary) of what may be written, position int32 (), state, to tokens (batch, 1)."""


def greedy(
    model: Generator,
    memory: Any,
    limits: Any,
    length: Any,
    *,
    unknown: bool = False,
    prefix: Any = None,
    leaving: bool = False,
) -> Decoded:
    """Takes the most probable token at each step; ends when all rows have ended.

    Args:
        model: see `Generator`.
        memory: of the sources.
        limits: int32 (batch,), tokens that a row may have, its end among them.
        length: the highest of them, or more.
        unknown: whether the unknown token may be written.
        prefix: int32 (batch, prefix time): how the outputs must begin, padded on the right.
        leaving: see `rounds.run`.
    """
    rows = given(memory, limits, prefix)
    return _write(model, rows, length, unknown, leaving, lambda found, position, state: ops.argmax(found, axis=-1))


def sample(
    model: Generator,
    memory: Any,
    limits: Any,
    length: Any,
    *,
    seed: Any,
    temperature: Any,
    top_k: Any,
    top_p: Any,
    unknown: bool = False,
    prefix: Any = None,
    leaving: bool = False,
) -> Decoded:
    """Draws a token at each step: the same seed gives the same text, whatever the batch mates, the device or language.

    Args:
        model: see `Generator`.
        memory: of the sources.
        limits: int32 (batch,), tokens that a row may have, its end among them.
        length: the highest of them, or more.
        seed: int32 (batch,), of each row.
        temperature: float (), by which logits are divided; below 1e-4, the most probable token is taken.
        top_k: int32 (), draw among this many most probable tokens; 0: among all (Fan et al. 2018).
        top_p: float (), draw among the fewest tokens that make up this probability (Holtzman et al. 2020).
        unknown: whether the unknown token may be written.
        prefix: int32 (batch, prefix time): how the outputs must begin, padded on the right.
        leaving: see `rounds.run`.

    Returns:
        As `greedy`; the log-probabilities are those of the model, not those of the narrowed choice.
    """

    def draw(found: Any, position: Any, state: State) -> Any:
        found = found[:, 0]
        # What is ruled out stays so at any temperature.
        scaled = ops.where(found > 0.5 * LOWEST, found / ops.maximum(heat, _COLDEST), LOWEST)
        return choose(scaled, uniform(state["seed"], position), few, top_p)[:, None]

    heat = ops.cast(temperature, "float32")
    few = ops.where(heat < _COLDEST, 1, ops.cast(top_k, "int32"))
    return _write(model, given(memory, limits, prefix) | {"seed": seed}, length, unknown, leaving, draw)


def choose(scores: Any, draw: Any, top_k: Any, top_p: Any) -> Any:
    """The token that a number drawn from [0, 1) stands for, where those left to choose from lie side by side.

    Args:
        scores: float32 (batch, vocabulary), logits.
        draw: float32 (batch,).
        top_k: see `sample`.
        top_p: see `sample`.

    Returns:
        int32 (batch,)
    """
    size = ops.shape(scores)[-1]
    top_k, top_p = ops.cast(top_k, "int32"), ops.cast(top_p, "float32")
    share = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))  # in proportion to the probability

    def of_all() -> Any:
        return _hit(share, draw)

    def of_some() -> Any:
        few = ops.where(top_k > 0, ops.minimum(top_k, size), size)
        # A graph of TensorFlow sorts as many as it is told when it runs; elsewhere it must be known before. By their
        # logits: shares of near ones may be equal.
        ranked, tokens = ops.top_k(scores, few if keras.backend.backend() == "tensorflow" else size)
        ranked = ops.exp(ranked - ranked[:, :1])
        before = ops.cumsum(ranked, axis=-1) - ranked
        rank = ops.arange(ops.shape(ranked)[1], dtype="int32")[None, :]
        kept = ops.logical_or(top_p >= 1, before < top_p * ops.sum(share, axis=-1, keepdims=True))
        kept = ops.logical_and(kept, rank < few)
        place = _hit(ops.where(ops.logical_or(ops.equal(rank, 0), kept), ranked, 0.0), draw)
        return ops.cast(ops.take_along_axis(tokens, place[:, None], axis=-1)[:, 0], "int32")

    return ops.cond(ops.logical_or(top_k > 0, top_p < 1), of_some, of_all)


def _hit(share: Any, draw: Any) -> Any:
    """Where a number from [0, 1) falls: float32 (batch, n), in proportion, and (batch,) to int32 (batch,)."""
    up_to, possible = ops.cumsum(share, axis=-1), share > 0
    # By rounding, sums may waver where nothing is added, and the number may be behind all: the last one with a share.
    hit = ops.logical_and(up_to > draw[:, None] * up_to[:, -1:], possible)
    last = ops.max(ops.where(possible, ops.arange(ops.shape(share)[1], dtype="int32"), 0), axis=-1)
    return ops.where(ops.any(hit, axis=-1), ops.cast(ops.argmax(hit, axis=-1), "int32"), last)


def uniform(seed: Any, position: Any) -> Any:
    """A number from [0, 1) for a row and a position, by integer arithmetic that is the same everywhere.

    The 32-bit mixer "lowbias32" (Wellons 2018, "Prospecting for Hash Functions"), applied twice.

    Args:
        seed: int32 (batch,)
        position: int32 (), or what broadcasts with ``seed``.

    Returns:
        float32 (batch,)
    """
    mixed = _mix(_mix(ops.cast(seed, "uint32")) + ops.cast(position, "uint32") * ops.cast(0x9E3779B9, "uint32"))
    # 24 bits, what a float32 holds exactly.
    return ops.cast(ops.right_shift(mixed, ops.cast(8, "uint32")), "float32") * (1.0 / (1 << 24))


def seeds_from(seed: Any, count: Any) -> Any:
    """A seed and those that follow it, 0 after the highest number: int32 () to int32 (count,)."""
    return ops.bitwise_and(ops.cast(seed, "int32") + ops.arange(count, dtype="int32"), 2**31 - 1)


def normal(seed: Any, count: int) -> Any:
    """Numbers from the standard normal distribution for each row, the same everywhere.

    Box & Muller 1958, "A Note on the Generation of Random Normal Deviates", equation 1. The numbers of `uniform` that
    are drawn for them are not those of the first million tokens.

    Args:
        seed: int32 (batch,)
        count: of each row.

    Returns:
        float32 (batch, count)
    """
    places = (1 << 20) + 2 * ops.arange(count, dtype="int32")[None, :]
    radius = ops.sqrt(-2.0 * ops.log(1.0 - uniform(seed[:, None], places)))
    return radius * ops.cos(2.0 * np.pi * uniform(seed[:, None], places + 1))


def _mix(number: Any) -> Any:
    number = _of_32_bits(number)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
        number = ops.bitwise_xor(number, ops.right_shift(number, ops.cast(shift, "uint32")))
        if factor is not None:
            number = _of_32_bits(number * ops.cast(factor, "uint32"))
    return number


def _of_32_bits(number: Any) -> Any:
    """The lowest 32 bits: PyTorch has no unsigned numbers of 32 bits, and Keras takes 64 there."""
    return ops.bitwise_and(number, ops.cast(0xFFFFFFFF, "uint32"))


def _write(model: Generator, rows: State, length: Any, unknown: bool, leaving: bool, choose_from: Choose) -> Decoded:
    batch = ops.shape(rows["limits"])[0]
    tokens = ops.full((batch, 1, length), PAD, "int32")
    state = rows | {
        "last": ops.full((batch, 1), BOS, "int32"),
        "tokens": tokens,
        "aligned": ops.zeros_like(tokens),
        "total": ops.zeros((batch, 1), "float32"),
        "ended": ops.zeros((batch, 1), "bool"),
        "cache": model.start(rows["memory"], 1, length),
    }

    def step(position: Any, state: State) -> State:
        ended = state["ended"]
        logits, cache, attention = model.step(state["last"], position, state["memory"], state["cache"])
        possible, whole = writable(logits, unknown)
        only = forced(position, state["limits"], state.get("prefix"))[:, None]
        token = ops.where(only < 0, ops.cast(choose_from(possible, position, state), "int32"), only)
        gained = ops.cast(ops.take_along_axis(logits, token[:, :, None], axis=-1), "float32") - whole
        token = ops.where(ended, PAD, token)
        aligned = ops.where(ended, 0, ops.cast(ops.argmax(attention, axis=-1), "int32"))
        return state | {
            "last": token,
            "tokens": put(state["tokens"], token, position),
            "aligned": put(state["aligned"], aligned, position),
            "total": state["total"] + ops.where(ended, 0.0, gained[:, :, 0]),
            "ended": ops.logical_or(ended, ops.equal(token, EOS)),
            "cache": cache,
        }

    def busy(state: State) -> Any:
        return ops.logical_not(state["ended"][:, 0])

    end = run(step, busy, state, length, wanted=("tokens", "aligned", "total"), leaving=leaving)
    return Decoded(end["tokens"], end["total"], end["total"], end["aligned"])
