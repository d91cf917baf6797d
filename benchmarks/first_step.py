"""How long a training process takes up to the end of its first step, with this project's Adam and with Keras' own.

    python benchmarks/first_step.py [--rounds 3]

Both sides make the same network (transformer_seq2seq, encoder and decoder of four blocks) and take steps on the same
few rows, so that what is measured is importing, tracing and optimizing the graph, and not computing. Keras' side clips
and averages as ours does, and looks for garbage as often as Python does of itself. Each round starts a process for
each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BEGIN = time.perf_counter()
SIDES = {"keras": "Keras' Adam, garbage by default", "ours": "kerasnlp_kit"}
STEPS = 10


def main() -> None:
    """Starts the processes and writes down their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side)))
        return
    from running import write_result

    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side, measured in found.items():
            done = subprocess.run(
                [sys.executable, __file__, "--side", side],
                stdout=subprocess.PIPE,
                check=True,
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            measured.append(json.loads(done.stdout))
    lines = [
        "| | imports, s | first step, s | a later step, ms | start to the end of the first step, s |",
        "| --- | --- | --- | --- | --- |",
    ]
    totals = {}
    for side, measured in found.items():
        middle = {key: statistics.median(one[key] for one in measured) for key in measured[0]}
        totals[side] = middle["total"]
        cells = f"{middle['imports']:.1f} | {middle['first']:.1f} | {1000 * middle['later']:.0f}"
        lines.append(f"| {SIDES[side]} | {cells} | {middle['total']:.1f} |")
    share = totals["ours"] / totals["keras"]
    lines += ["", f"Medians of {options.rounds} processes each, in turn. Ours takes {share:.2f} of the time."]
    write_result("first_step", "Time up to the end of the first step of training", lines)


def measure(side: str) -> dict[str, float]:
    """Seconds of one side, in this process."""
    from kerasnlp_kit.cli.main import collect_rarely

    if side == "ours":
        collect_rarely()
    from kerasnlp_kit.training.devices import choose_backend, seed_everything

    choose_backend("tensorflow")
    import keras
    import numpy as np
    import tensorflow as tf

    from kerasnlp_kit.config import PairTrainingOptions
    from kerasnlp_kit.models.transformer_seq2seq import TransformerSeq2Seq
    from kerasnlp_kit.registry import PairSizes
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
    from kerasnlp_kit.training.optimization import make_optimizer

    seed_everything(0)
    imported = time.perf_counter()
    model = TransformerSeq2Seq(layers=4, d_model=128, heads=4, feed_forward=256).build(PairSizes(4000, 4000, True))
    optimizer = make_optimizer(PairTrainingOptions(clip_norm=1.0), 1000, average=0.999)
    if side == "keras":
        optimizer = keras.optimizers.Adam(
            optimizer._learning_rate, global_clipnorm=1.0, use_ema=True, ema_momentum=0.999
        )
    model.compile(optimizer, TokenCrossEntropy(0.1), jit_compile=False)
    optimizer.build(model.trainable_variables)  # as training/loop.py does; else the step would be traced twice
    ids = np.random.default_rng(0).integers(4, 4000, (8, 16)).astype("int32")
    batches = iter(tf.data.Dataset.from_tensors(({"source": ids, "target": ids}, ids)).repeat())
    step = model.make_train_function() or model.train_function
    begin = time.perf_counter()
    step(batches)
    first = time.perf_counter()
    for _ in range(STEPS):
        step(batches)
    end = time.perf_counter()
    return {
        "imports": imported - BEGIN,
        "first": first - begin,
        "later": (end - first) / STEPS,
        "total": first - BEGIN,
    }


if __name__ == "__main__":
    main()
