"""Beam search: several outputs a row, the best of those that were kept in sight."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import BOS, EOS, LOWEST, PAD
from kerasnlp_kit.decoding.protocol import Decoded, Generator, forced, put, writable
from kerasnlp_kit.decoding.rounds import State, given, run


def beam(
    model: Generator,
    memory: Any,
    limits: Any,
    length: Any,
    *,
    size: Any,
    source_mask: Any,
    length_penalty: Any = 0.0,
    coverage_penalty: Any = 0.0,
    best_only: bool = False,
    unknown: bool = False,
    prefix: Any = None,
    leaving: bool = False,
) -> Decoded:
    """Keeps the ``size`` best outputs of each row at each step.

    An output that has ended stays as it is and competes with the others by its score: the log-probability divided by
    ``((5 + tokens) / 6) ** length_penalty``, plus ``coverage_penalty * sum(log(min(attention, 1)))`` over the source
    (Wu et al. 2016, "Google's Neural Machine Translation System", equation 14).

    Args:
        model: see `Generator`.
        memory: of the sources.
        limits: int32 (batch,), tokens that a row may have, its end among them.
        length: the highest of them, or more.
        size: outputs of a row.
        source_mask: bool (batch, source time), which source positions should be covered.
        length_penalty: float (), 0 or more.
        coverage_penalty: float (), 0 or more.
        best_only: end as soon as no output in sight can become better than the best that has ended; the others are
            then worth nothing. By default the search ends when all have.
        unknown: whether the unknown token may be written.
        prefix: int32 (batch, prefix time): how the outputs must begin, padded on the right.
        leaving: see `rounds.run`.

    Returns:
        The outputs, best first. Where a row has fewer than ``size`` at all, the rest are empty and their scores and
        log-probabilities about `LOWEST`.
    """
    batch = ops.shape(limits)[0]
    length_penalty, coverage_penalty = ops.cast(length_penalty, "float32"), ops.cast(coverage_penalty, "float32")
    # All beams are alike at first: only one of them counts.
    first = ops.equal(ops.arange(size, dtype="int32"), 0)[None, :]
    totals = ops.where(first, ops.zeros((batch, size), "float32"), LOWEST)
    tokens = ops.full((batch, size, length), PAD, "int32")
    state = given(memory, limits, prefix) | {
        "source_mask": source_mask,
        "last": ops.full((batch, size), BOS, "int32"),
        "tokens": tokens,
        "aligned": ops.zeros_like(tokens),
        "totals": totals,
        "scores": totals,
        "ended": ops.zeros((batch, size), "bool"),
        "coverage": ops.zeros((batch, size, ops.shape(source_mask)[1]), "float32"),
        "cache": model.start(memory, size, length),
    }

    def busy(state: State) -> Any:
        on_the_way = ops.logical_not(state["ended"])
        if best_only:
            # A log-probability only falls, and so does the coverage's share; the divisor is at most that of the limit.
            most = _divisor(state["limits"], length_penalty)[:, None]
            possible = ops.max(ops.where(on_the_way, state["totals"] / most, 2 * LOWEST), axis=1)
            best = ops.max(ops.where(on_the_way, 2 * LOWEST, state["scores"]), axis=1)
            return possible > best
        return ops.any(on_the_way, axis=1)

    def step(position: Any, state: State) -> State:
        rows, ended = ops.shape(state["last"])[0], state["ended"][:, :, None]
        logits, cache, attention = model.step(state["last"], position, state["memory"], state["cache"])
        only = forced(position, state["limits"], state.get("prefix"))
        found, next_tokens = _best(logits, only, size, unknown)
        ways = ops.shape(found)[-1]
        # An ended output has one way on: to stay as it is, at no cost.
        stay = ops.where(ops.equal(ops.arange(ways, dtype="int32"), 0), 0.0, LOWEST)
        totals = state["totals"][:, :, None] + ops.where(ended, stay, found)
        coverage = state["coverage"] + ops.where(ended, 0.0, attention)
        seen = state["source_mask"][:, None]
        uncovered = ops.sum(ops.where(seen, ops.log(ops.clip(coverage, 1e-6, 1.0)), 0.0), axis=-1)
        now = totals / _divisor(position + 1, length_penalty) + coverage_penalty * uncovered[:, :, None]
        scores = ops.where(ended, state["scores"][:, :, None] + stay, now)
        scores, picked = ops.top_k(ops.reshape(scores, (rows, size * ways)), size)
        picked = ops.cast(picked, "int32")
        parents = picked // ways
        before = {name: state[name] for name in ("tokens", "aligned", "ended")}
        before |= {"coverage": coverage, "cache": cache, "attention": attention}
        kept = _of_parents(before, parents)
        last = ops.where(kept["ended"], PAD, _taken(next_tokens, picked))
        aligned = ops.where(kept["ended"], 0, ops.cast(ops.argmax(kept["attention"], axis=-1), "int32"))
        return state | {
            "last": last,
            "tokens": put(kept["tokens"], last, position),
            "aligned": put(kept["aligned"], aligned, position),
            "totals": _taken(totals, picked),
            "scores": scores,
            "ended": ops.logical_or(kept["ended"], ops.equal(last, EOS)),
            "coverage": kept["coverage"],
            "cache": kept["cache"],
        }

    end = run(step, busy, state, length, wanted=("tokens", "aligned", "totals", "scores"), leaving=leaving)
    scores = ops.where(ops.any(ops.equal(end["tokens"], EOS), axis=2), end["scores"], end["scores"] + LOWEST)
    possible = end["totals"] > 0.5 * LOWEST
    scores = ops.where(possible, scores, LOWEST)  # divided by the length they might look better
    end["tokens"] = ops.where(possible[:, :, None], end["tokens"], PAD)
    order = ops.cast(ops.argsort(-scores, axis=1), "int32")
    best = _of_parents({name: end[name] for name in ("tokens", "totals", "aligned")} | {"scores": scores}, order)
    return Decoded(best["tokens"], best["totals"], best["scores"], best["aligned"])


def _best(logits: Any, only: Any, size: Any, unknown: bool) -> tuple[Any, Any]:
    """The best ways on of each output: what else is added to their log-probabilities does not change their order.

    Args:
        logits: float (batch, beam, vocabulary)
        only: int32 (batch,), see `forced`.
        size: how many, but at most the vocabulary.
        unknown: whether the unknown token may be written.

    Returns:
        Log-probabilities float32 (batch, beam, ways), the best first, and their tokens, int32.
    """
    batch, beam, vocabulary = ops.shape(logits)
    possible, whole = writable(logits, unknown)
    ways = min(size, vocabulary) if isinstance(size, int) else ops.minimum(size, vocabulary)
    # In two dimensions: of three, XLA would sort the whole vocabulary.
    found, tokens = ops.top_k(ops.reshape(possible, (batch * beam, vocabulary)), ways)
    found, tokens = (ops.reshape(part, (batch, beam, ways)) for part in (found, ops.cast(tokens, "int32")))
    only = only[:, None, None]
    is_free, is_first = only < 0, ops.equal(ops.arange(ways, dtype="int32"), 0)
    wanted = ops.broadcast_to(ops.maximum(only, 0), (batch, beam, 1))
    of_only = ops.cast(ops.take_along_axis(logits, wanted, axis=-1), "float32")
    found = ops.where(is_free, found, ops.where(is_first, of_only, LOWEST))
    return found - whole, ops.where(is_free, tokens, only)


def _taken(array: Any, picked: Any) -> Any:
    """Those of (batch, beam, ways) that were picked: int32 (batch, beam), places in both last dimensions as one."""
    batch, beam, ways = ops.shape(array)
    return ops.take_along_axis(ops.reshape(array, (batch, beam * ways)), picked, axis=1)


def _divisor(tokens: Any, length_penalty: Any) -> Any:
    """((5 + tokens) / 6) ** length_penalty: int32 of any shape to float32."""
    return ops.power((5.0 + ops.cast(tokens, "float32")) / 6.0, length_penalty)


def _of_parents(state: State, parents: Any) -> State:
    """Gives each beam what its parent has.

    Args:
        state: nested arrays of shape (batch, beam, ...).
        parents: int32 (batch, beam), a beam of the same row.
    """
    batch, beam = ops.shape(parents)
    flat = ops.reshape(ops.arange(batch, dtype="int32")[:, None] * beam + parents, (-1,))

    def pick(array: Any) -> Any:
        shape = ops.shape(array)
        return ops.reshape(ops.take(ops.reshape(array, (batch * beam, *shape[2:])), flat, axis=0), shape)

    return keras.tree.map_structure(pick, state)
