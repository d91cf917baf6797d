"""Test accuracy of each model with its preset, mean over seeds.

    python benchmarks/classifiers.py [--seeds 0 1 2] [--only lstm_classifier:banking77 ...]

Every choice behind the presets was made on the dev files.
"""

import argparse
from pathlib import Path

import numpy as np
from running import scratch, train, write_result

STRONG = "--preset strong"
# Model, data set, flags chosen on its dev file, accuracy to reach on its test file.
GOALS = [
    ("lstm_classifier", "banking77", STRONG, 0.87),
    (
        "lstm_classifier",
        "trec6",
        f"{STRONG} --pooling attention --learning-rate 2e-3 --epochs 8 --label-smoothing 0.1 --weight-decay 0.01",
        0.88,
    ),
    ("lstm_classifier", "chnsenticorp", f"{STRONG} --learning-rate 3e-3 --epochs 6", 0.90),
    ("cnn_classifier", "banking77", STRONG, 0.90),
    (
        "cnn_classifier",
        "trec6",
        f"{STRONG} --filters 256 --learning-rate 1e-3 --epochs 12 --label-smoothing 0.1",
        0.89,
    ),
    ("transformer_classifier", "banking77", STRONG, 0.885),
]


def main() -> None:
    """Trains every model on its data sets with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    lines = [
        "`train.py train.csv --dev dev.csv --test test.csv --model MODEL FLAGS --seed SEED`; mean of the "
        f"seeds {', '.join(map(str, options.seeds))}.",
        "",
        "| model | data set | flags | test accuracy | each seed | dev accuracy | goal | reached | whole process, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    with scratch() as models:
        for model, data, chosen, goal in GOALS:
            if options.only and f"{model}:{data}" not in options.only:
                continue
            flags = ["--model", model, *chosen.split()]
            runs = [train(data, [*flags, "--seed", str(seed)], Path(models)) for seed in options.seeds]
            test = [run.test_accuracy for run in runs]
            dev = np.mean([run.dev_accuracy for run in runs])
            wall = np.mean([run.wall for run in runs])
            each = ", ".join(f"{value:.4f}" for value in test)
            reached = "yes" if np.mean(test) >= goal else "no"
            lines.append(
                f"| {model} | {data} | `{chosen}` | {np.mean(test):.4f} | {each} | {dev:.4f} | {goal} | {reached} "
                f"| {wall:.0f} |"
            )
            print(lines[-1], flush=True)
    write_result("classifiers", "Test accuracy of the classifiers", lines)


if __name__ == "__main__":
    main()
