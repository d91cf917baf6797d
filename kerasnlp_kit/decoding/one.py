"""One output a row: the most probable token at each step, or one that is drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from kerasnlp_kit.constants import BOS, EOS, LOWEST, PAD
from kerasnlp_kit.decoding.protocol import Decoded, Generator, forced, put, writable

_COLDEST = 1e-4  # temperature; below it, rounding would decide
Choose = Callable[[Any, Any], Any]
"""Logits float32 (batch, 1, vocabulary) of what may be written and the position, int32 (), to tokens (batch, 1)."""


def greedy(
    model: Generator,
    memory: Any,
    limits: Any,
    length: Any,
    *,
    unknown: bool = False,
    prefix: Any = None,
) -> Decoded:
    """Takes the most probable token at each step; ends when all rows have ended.

    Args:
        model: see `Generator`.
        memory: of the sources.
        limits: int32 (batch,), tokens that a row may have, its end among them.
        length: the highest of them, or more.
        unknown: whether the unknown token may be written.
        prefix: int32 (batch, prefix time): how the outputs must begin, padded on the right.
    """
    return _write(model, memory, limits, length, unknown, prefix, lambda found, position: ops.argmax(found, axis=-1))


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

    Returns:
        As `greedy`; the log-probabilities are those of the model, not those of the narrowed choice.
    """

    def draw(found: Any, position: Any) -> Any:
        found = found[:, 0]
        # What is ruled out stays so at any temperature.
        scaled = ops.where(found > 0.5 * LOWEST, found / ops.maximum(heat, _COLDEST), LOWEST)
        return choose(scaled, uniform(seed, position), few, top_p)[:, None]

    heat = ops.cast(temperature, "float32")
    few = ops.where(heat < _COLDEST, 1, ops.cast(top_k, "int32"))
    return _write(model, memory, limits, length, unknown, prefix, draw)


def choose(scores: Any, draw: Any, top_k: Any, top_p: Any) -> Any:
    """The token that a number drawn from [0, 1) stands for.

    Args:
        scores: float32 (batch, vocabulary), logits.
        draw: float32 (batch,).
        top_k: see `sample`.
        top_p: see `sample`.

    Returns:
        int32 (batch,)
    """
    order = ops.argsort(-scores, axis=-1)
    ordered = ops.take_along_axis(ops.softmax(scores, axis=-1), order, axis=-1)
    before = ops.cumsum(ordered, axis=-1) - ordered
    rank = ops.arange(ops.shape(scores)[-1], dtype="int32")[None, :]
    first = ops.equal(rank, 0)
    few = ops.logical_or(ops.less_equal(top_k, 0), rank < top_k)
    kept = ops.logical_and(few, before < ops.cast(top_p, "float32"))
    left = ops.where(ops.logical_or(first, kept), ordered, 0.0)
    up_to = ops.cumsum(left, axis=-1)
    wanted = draw[:, None] * up_to[:, -1:]
    # The last one with a share, should rounding put the number behind it.
    chosen = ops.sum(ops.cast(ops.logical_and(up_to <= wanted, left > 0), "int32"), axis=-1)
    most = ops.sum(ops.cast(left > 0, "int32"), axis=-1) - 1
    place = ops.minimum(chosen, most)
    return ops.cast(ops.take_along_axis(order, place[:, None], axis=-1)[:, 0], "int32")


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


def _write(
    model: Generator, memory: Any, limits: Any, length: Any, unknown: bool, prefix: Any, choose_from: Choose
) -> Decoded:
    batch = ops.shape(limits)[0]
    tokens = ops.full((batch, 1, length), PAD, "int32")
    state = (
        ops.zeros((), "int32"),
        ops.full((batch, 1), BOS, "int32"),
        tokens,
        ops.zeros_like(tokens),
        ops.zeros((batch, 1), "float32"),
        ops.zeros((batch, 1), "bool"),
        model.start(memory, 1, length),
    )

    def going_on(position: Any, last: Any, tokens: Any, aligned: Any, total: Any, ended: Any, cache: Any) -> Any:
        return ops.logical_and(position < length, ops.logical_not(ops.all(ended)))

    def step(position: Any, last: Any, tokens: Any, aligned: Any, total: Any, ended: Any, cache: Any) -> Any:
        logits, cache, attention = model.step(last, position, memory, cache)
        possible, whole = writable(logits, unknown)
        only = forced(position, limits, prefix)[:, None]
        token = ops.where(only < 0, ops.cast(choose_from(possible, position), "int32"), only)
        gained = ops.cast(ops.take_along_axis(logits, token[:, :, None], axis=-1), "float32") - whole
        total = total + ops.where(ended, 0.0, gained[:, :, 0])
        token = ops.where(ended, PAD, token)
        tokens = put(tokens, token, position)
        aligned = put(aligned, ops.cast(ops.argmax(attention, axis=-1), "int32"), position)
        ended = ops.logical_or(ended, ops.equal(token, EOS))
        return position + 1, token, tokens, aligned, total, ended, cache

    _, _, tokens, aligned, total, _, _ = ops.while_loop(going_on, step, state)
    return Decoded(tokens, total, total, aligned)
