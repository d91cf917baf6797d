"""Speed of training where freed memory is kept for the next step, and where glibc gives it back to the system.

    python benchmarks/kept_memory.py

Both sides are train.py, by turns; a variable that begins like those of glibc, and that glibc does not know, has
train.py leave the memory to it as it is. (To set one that glibc knows would also end its own growing thresholds.)
"""

import os
from pathlib import Path
from unittest.mock import patch

from running import scratch, train, write_result

LEFT_ALONE = {"MALLOC_LEFT_ALONE": "1"}
ROUNDS = 2
ROWS = 6_000
RUNS = {
    "causal_lm": (
        "multi30k_en_de",
        [
            "--text-column",
            "source",
            "--tokenizer",
            "words",
            "--batch-tokens",
            "3072",
            "--epochs",
            "2",
            "--samples",
            "0",
        ],
    ),
    "lstm_classifier": ("banking77", ["--batch-size", "128", "--epochs", "3"]),
    "cnn_classifier": ("banking77", ["--preset", "strong", "--epochs", "3"]),
}


def main() -> None:
    """Trains each model both ways."""
    lines = ["| model | data | given back, rows/s | kept, rows/s | times |", "| --- | --- | --- | --- | --- |"]
    with scratch() as models:
        for model, (data, flags) in RUNS.items():
            speeds: dict[bool, list[float]] = {True: [], False: []}
            for number in range(2 * ROUNDS):
                alone = number % 2 == 0
                with patch.dict(os.environ, LEFT_ALONE if alone else {}):
                    run = train(data, ["--model", model, *flags], Path(models), rows=ROWS)
                speeds[alone].append(run.examples_per_second)
            before, after = max(speeds[True]), max(speeds[False])
            lines.append(f"| {model} | {data} | {before:,.0f} | {after:,.0f} | {after / before:.2f} |")
    write_result("kept_memory", "Speed of training with and without memory that is kept", lines)


if __name__ == "__main__":
    main()
