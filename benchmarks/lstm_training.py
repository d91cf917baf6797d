"""Training speed of lstm_classifier beside a plain Keras script with the same sizes, padded to the longest text.

    python benchmarks/lstm_training.py [--peer-python PYTHON]

PYTHON is the interpreter of the peer's own environment (tensorflow, keras, pandas); by default this one. The peer's
script, plain_keras_classifiers.py, is expected in ../shared/peers, beside the checkout.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from running import SHARED, scratch, texts, train, write_result

# The peer: batches of 32, Adam 1e-3, early stopping on dev accuracy. Ours: the same sizes, larger batches, a learning
# rate that falls to zero, the largest of the states and not the last one; chosen on the dev rows of banking77 (87.5 to
# 89.8) and on five folds of the training and dev rows of sms_spam (98.2 to 98.4).
FLAGS = ["--model", "lstm_classifier", "--epochs", "15", "--batch-size", "128", "--learning-rate", "6e-3"]
FLAGS += ["--schedule", "linear", "--warmup", "0.05", "--patience", "15"]
FLAGS += ["--pooling", "max", "--keep-punctuation", "--dropout", "0.3", "--word-dropout", "0.1"]
EPOCHS = 40


def longest(data: str) -> int:
    """Words of the longest training text, roughly as the peer's tokenizer counts them."""
    return max(len(re.sub(r"[^\w']+", " ", text).split()) for text in texts(data, "train"))


def peer(python: str, data: str) -> tuple[float, float, float]:
    """Examples per second, accuracy and seconds of the whole process of the plain script."""
    script = SHARED / "peers" / "plain_keras_classifiers.py"
    command = [python, str(script), "lstm", str(SHARED / "data" / data), str(EPOCHS), str(longest(data))]
    start = time.perf_counter()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wall = time.perf_counter() - start
    print(output, flush=True)
    speed, accuracy = re.search(r"(\d+) examples/s", output), re.search(r"accuracy ([\d.]+)", output)
    assert speed and accuracy
    return float(speed[1]), float(accuracy[1]), wall


def main() -> None:
    """Runs both sides on each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--data", nargs="+", default=["banking77", "sms_spam"])
    options = parser.parse_args()
    lines = [
        f"Ours: `train.py ... {' '.join(FLAGS)}`. Plain: Keras tokenizer, padded to the longest text, batch 32.",
        "",
        "| data set | side | examples/s | test accuracy | whole process, s |",
        "| --- | --- | --- | --- | --- |",
    ]
    with scratch() as models:
        for data in options.data:
            ours = train(data, FLAGS, Path(models))
            speed, accuracy, wall = peer(options.peer_python, data)
            mine = ours.examples_per_second
            lines += [
                f"| {data} | lstm_classifier | {mine:.0f} | {ours.test_accuracy:.4f} | {ours.wall:.0f} |",
                f"| {data} | plain Keras | {speed:.0f} | {accuracy:.4f} | {wall:.0f} |",
                f"| {data} | ratio | **{mine / speed:.1f}** | {ours.test_accuracy - accuracy:+.4f} "
                f"| {wall / ours.wall:.1f} |",
            ]
    write_result("lstm_training", "Training speed of the LSTM classifier", lines)


if __name__ == "__main__":
    main()
