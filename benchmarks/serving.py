"""How fast the SavedModel answers: one text at a time, and batches of 256, raw strings in and labels out.

python benchmarks/serving.py [--data banking77] [--models MODEL ...] [--preset NAME]
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from running import scratch, texts, train, write_result

BATCH = 256


def main() -> None:
    """Trains for a few epochs, which does not matter for speed, and asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="banking77")
    parser.add_argument("--models", nargs="+", default=["lstm_classifier", "cnn_classifier", "transformer_classifier"])
    parser.add_argument("--preset", nargs="*", default=[])
    options = parser.parse_args()
    asked = texts(options.data, "test")
    lines = ["| model | one text, median ms | 95th percentile | batches of 256, texts/s |", "| --- | --- | --- | --- |"]
    with scratch() as models:
        for model in options.models:
            preset = ["--preset", *options.preset] if options.preset else []
            run = train(options.data, ["--model", model, "--epochs", "2", *preset], Path(models))
            single, high, speed = measure(str(run.folder / "saved_model" / "1"), asked)
            lines.append(f"| {model} | {single * 1e3:.2f} | {high * 1e3:.2f} | {speed:.0f} |")
    name = f"serving{'_' + options.preset[0] if options.preset else ''}"
    write_result(name, f"Speed of the SavedModel on {options.data}, {' '.join(options.preset) or 'defaults'}", lines)


def measure(path: str, texts: list[str]) -> tuple[float, float, float]:
    """Median and 95th percentile of the seconds for one text, and texts per second in batches."""
    import tensorflow as tf

    model = tf.saved_model.load(path)
    classify = model.signatures["serving_default"]

    def ask(batch: list[str]) -> float:
        start = time.perf_counter()
        classify(text=tf.constant(batch))["label"].numpy()
        return time.perf_counter() - start

    for text in texts[:50]:
        ask([text])
    singles = np.array([ask([text]) for text in texts[:1000]])
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    rounds = [sum(ask(batch) for batch in batches) for _ in range(4)][1:]
    return float(np.median(singles)), float(np.percentile(singles, 95)), len(texts) / float(np.median(rounds))


if __name__ == "__main__":
    main()
