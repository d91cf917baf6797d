"""Time to draw a token for each of 64 rows, beside sorting the whole vocabulary, as we did before; and of whole texts.

python benchmarks/sampling.py

Both are plain TensorFlow graphs. The texts are those of an untrained causal_lm with its default sizes, 64 of at most
100 tokens, asked through its search without export. Everything is measured in turns, the best of five counts.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from running import write_result

from kerasnlp_kit.constants import PAD
from kerasnlp_kit.decoding.one import choose
from kerasnlp_kit.models.causal_lm import CausalLm
from kerasnlp_kit.registry import TextSizes
from kerasnlp_kit.tasks.language import Continuation

ROWS, TOKENS = 64, 100
WAYS = {"all tokens": (0, 1.0), "top-k 40": (40, 1.0), "top-p 0.95": (0, 0.95)}
SCALARS = [tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)]


def main() -> None:
    """Measures one token, then texts."""
    lines = ["| a token for 64 rows, ms | vocabulary | sorted | kerasnlp_kit |", "| --- | --- | --- | --- |"]
    for vocabulary in (4_000, 16_000):
        scores = tf.constant(np.random.default_rng(0).normal(scale=2, size=(ROWS, vocabulary)), tf.float32)
        draws = tf.constant(np.random.default_rng(1).random(ROWS), tf.float32)
        for way, (top_k, top_p) in WAYS.items():
            given = scores, draws, tf.constant(top_k), tf.constant(top_p)
            theirs, ours = fastest(*(asked(function, given) for function in (choose_by_sorting, choose)))
            lines.append(f"| {way} | {vocabulary:,} | {theirs * 1e3:.1f} | {ours * 1e3:.1f} |")
    lines += ["", "| texts, tokens/s | vocabulary | greedy | all tokens | top-k 40 | top-p 0.95 |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for vocabulary in (4_000, 16_000):
        calls = texts(vocabulary)
        written = [int((call() != PAD).sum()) for call in calls]
        seconds = fastest(*calls)
        speeds = " | ".join(f"{count / time:,.0f}" for count, time in zip(written, seconds, strict=True))
        lines.append(f"| causal_lm | {vocabulary:,} | {speeds} |")
    write_result("sampling", "Drawing of tokens", lines)


def choose_by_sorting(scores: Any, draw: Any, top_k: Any, top_p: Any) -> Any:
    """The same choice; the numbers that are drawn may stand for other tokens."""
    order = tf.argsort(scores, direction="DESCENDING")
    ordered = tf.gather(tf.nn.softmax(scores), order, batch_dims=1)
    before = tf.cumsum(ordered, axis=-1, exclusive=True)
    few = tf.logical_or(top_k <= 0, tf.range(tf.shape(scores)[1]) < top_k)
    up_to = tf.cumsum(tf.where(tf.logical_and(few, before < top_p), ordered, 0.0), axis=-1)
    place = tf.reduce_sum(tf.cast(up_to <= draw[:, None] * up_to[:, -1:], tf.int32), axis=-1)
    return tf.gather(order, place, batch_dims=1)


def asked(function: Callable[..., Any], given: tuple[Any, ...]) -> Callable[[], Any]:
    """A call of the function as a graph that knows the shapes no better than an export does."""
    specs = [tf.TensorSpec([None, None]), tf.TensorSpec([None]), *SCALARS]
    graph = tf.function(function, input_signature=specs, autograph=False)
    return lambda: graph(*given).numpy()


def texts(vocabulary: int) -> list[Callable[[], Any]]:
    """Calls that write: greedily, then in each way."""
    network = CausalLm().build(TextSizes(vocabulary, TOKENS))
    search = Continuation(TOKENS)
    prompts, seed = tf.fill([ROWS, 1], 5), tf.constant(0)
    spec = tf.TensorSpec([None, None], tf.int32)

    def draw(prompt: Any, top_k: Any, top_p: Any) -> Any:
        return search.sample(network, prompt, seed, temperature=1.0, top_k=top_k, top_p=top_p).tokens

    greedy = tf.function(lambda prompt: search.greedy(network, prompt).tokens, [spec], autograph=False)
    drawn = tf.function(draw, [spec, *SCALARS], autograph=False)

    def ask(function: Any, *options: Any) -> Callable[[], Any]:
        return lambda: function(prompts, *map(tf.constant, options)).numpy()

    return [ask(greedy), *(ask(drawn, *way) for way in WAYS.values())]


def fastest(*calls: Callable[[], Any]) -> list[float]:
    """Seconds of each call, the best of five in turns, after one that is not counted."""
    found: list[list[float]] = [[] for _ in calls]
    for turn in range(6):
        for times, call in zip(found, calls, strict=True):
            begin = time.perf_counter()
            call()
            if turn:
                times.append(time.perf_counter() - begin)
    return [min(times) for times in found]


if __name__ == "__main__":
    main()
