"""Whether new labelled texts help a classifier that has a tenth of the labels.

python benchmarks/augmentation.py [--data trec6 sms_spam] [--by language_model text_vae] [--seeds 0 1]

A tenth of the training rows, drawn by seed, trains `ngram_linear` and `cnn_classifier`: alone, and with as many new
rows as `kerasnlp-kit augment` makes of them, one for each. Accuracy is that on the test file; dev is the whole dev file
on both sides. Results of data sets that are not asked for stay as they are.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from running import RESULTS, ROOT, SHARED, machine, scratch, write_result

from kerasnlp_kit.data.examples import read_examples

MODELS = {"ngram_linear": [], "cnn_classifier": ["--epochs", "15"]}
STORE = RESULTS / "augmentation.json"


def main() -> None:
    """Trains with and without, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["trec6", "sms_spam"])
    parser.add_argument("--by", nargs="+", default=["language_model", "text_vae"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    options = parser.parse_args()
    found = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    for data in options.data:
        for seed in options.seeds:
            found[f"{data} {seed}"] = {**measure(data, options.by, seed), "machine": machine()}
            RESULTS.mkdir(exist_ok=True)
            STORE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            write_result("augmentation", "New labelled texts, with a tenth of the labels", lines_of(found))


def measure(data: str, by: list[str], seed: int) -> dict:
    """Accuracies by model and by what the rows were made, and how many rows there were."""
    folder = SHARED / "data" / data
    everything = read_examples(folder / "train.csv")
    rows = np.random.default_rng(seed).permutation(len(everything))[: len(everything) // 10]
    some = everything.take(np.sort(rows))
    pairs = list(zip(some.texts, some.gold(), strict=True))
    scores: dict = {"rows": len(pairs), "made": {}, "accuracy": {}}
    with scratch() as place:
        files = {"nothing": write(Path(place) / "few.csv", pairs)}
        for kind in by:
            made = Path(place) / f"{kind}.csv"
            run("-m", "kerasnlp_kit", "augment", files["nothing"], "--by", kind, "--seed", str(seed), "--output", made)
            new = read_examples(made)
            scores["made"][kind] = len(new)
            both = [*pairs, *zip(new.texts, new.gold(), strict=True)]
            files[kind] = write(Path(place) / f"with_{kind}.csv", both)
        for model, flags in MODELS.items():
            for kind, file in files.items():
                name = f"{model}_{kind}"
                given = ["--dev", folder / "dev.csv", "--test", folder / "test.csv", "--models", place, "--no-refit"]
                flags_of = [flag for flag in given if model == "ngram_linear" or flag != "--no-refit"]
                run(ROOT / "train.py", file, "--model", model, *flags, *flags_of, "--name", name, "--seed", str(seed))
                metrics = json.loads((Path(place) / name / "metrics.json").read_text())
                scores["accuracy"].setdefault(model, {})[kind] = list(metrics.values())[-1]["accuracy"]
    return scores


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A file of texts and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def run(*command: object) -> None:
    """Runs Python, which must succeed."""
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def lines_of(found: dict) -> list[str]:
    """The table: accuracy, and how much the new rows changed it."""
    lines = ["| data, seed | rows | model | alone | with new rows by | change, points |", "| --- " * 6 + "|"]
    for name, one in found.items():
        for model, by in one["accuracy"].items():
            for kind, accuracy in by.items():
                if kind != "nothing":
                    change = f"{100 * (accuracy - by['nothing']):+.2f}"
                    made = f"{kind} ({one['made'][kind]:,}): {accuracy:.4f}"
                    lines.append(f"| {name} | {one['rows']:,} | {model} | {by['nothing']:.4f} | {made} | {change} |")
    return lines


if __name__ == "__main__":
    main()
