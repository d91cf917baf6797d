"""The default and each model over all shared data sets, beside the classics in the same run.

    python benchmarks/classification.py [--classics] [--seeds 0 1 2] [--models auto ngram_linear ...] [--data trec6 ...]

The classics are those of the script beside the checkout, in an environment of their own; they learn from training and
dev rows together. Every choice behind our models was made on dev rows.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from running import RESULTS, ROOT, SHARED, machine, scratch, train, write_result

FOUND = RESULTS / "classification.json"  # of all runs, so that a new one renews some rows
DATA = ("banking77", "trec6", "sst2", "sms_spam", "reuters_r8", "chnsenticorp", "waimai_10k")
GOALS = dict(zip(DATA, (0.923, 0.910, 0.840, 0.993, 0.976, 0.942, 0.915), strict=True))
MODELS = {
    "auto": [],
    "ngram_linear": ["--model", "ngram_linear"],
    "wide_deep_classifier": ["--model", "wide_deep_classifier"],
    "cnn_classifier": ["--model", "cnn_classifier", "--preset", "strong"],
    "lstm_classifier": ["--model", "lstm_classifier", "--preset", "strong"],
    "transformer_classifier": ["--model", "transformer_classifier", "--preset", "strong"],
}
CLASSICS = SHARED / "peers" / "classic_classifiers.py"
PEER_PACKAGES = ("fasttext-wheel", "numpy<2", "pandas<3", "scikit-learn")


def main() -> None:
    """Trains every model on every data set with every seed; runs the classics if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--classics", action="store_true")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    for data in options.data:
        if options.classics:
            found.setdefault(data, {})["classics"] = classics(data)
            save(found)
        for model in options.models:
            runs = found.setdefault(data, {}).setdefault(model, {})
            for seed in options.seeds:
                with scratch() as models:
                    run = train(data, [*MODELS[model], "--seed", str(seed)], Path(models))
                test = list(run.metrics.values())[-1]
                runs[str(seed)] = {
                    "test": test["accuracy"],
                    "dev": run.dev_accuracy,
                    "calibration_error": test["calibration_error"],
                    "seconds": round(run.wall, 1),
                    "made_of": " + ".join(part["name"] for part in run.run["parts"]),
                    "machine": machine(),
                    "commit": run.run["git"],
                }
                print(data, model, seed, runs[str(seed)], flush=True)
                save(found)
    write_result("classification", "Accuracy on test, beside the classics", table(found))


def save(found: dict[str, dict[str, Any]]) -> None:
    """Writes what was found so far."""
    RESULTS.mkdir(exist_ok=True)
    FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def classics(data: str) -> dict[str, float]:
    """Test accuracy of each classic on a data set."""
    place = ROOT / "build" / "peers" / "classics"
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
    command = [str(python), str(CLASSICS), str(SHARED / "data" / data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = re.findall(r"^  (.+?)\s+accuracy ([\d.]+)", done.stdout, flags=re.MULTILINE)
    print(done.stdout, flush=True)
    return {name: float(accuracy) for name, accuracy in rows}


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """All results as Markdown."""
    lines = [
        "`train.py train.csv --dev dev.csv --test test.csv FLAGS --seed SEED`; mean of the seeds, in brackets their "
        "number. Seconds are those of the whole process. The classics learn from train and dev. The "
        f"runs of auto are of the commits {commits(found)}.",
        "",
        "| data set | best classic | default (auto) | goal | calibration error | seconds | made of |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for data in DATA:
        runs = list(found.get(data, {}).get("auto", {}).values())
        if not runs:
            continue
        accuracy = float(np.mean([run["test"] for run in runs]))
        verdict = "reached" if accuracy >= GOALS[data] else f"short by {GOALS[data] - accuracy:.4f}"
        made = "; ".join(sorted({run["made_of"] for run in runs}))
        lines.append(
            f"| {data} | {best_classic(found[data])} | {accuracy:.4f} ({len(runs)}) | {GOALS[data]}: {verdict} | "
            f"{np.mean([run['calibration_error'] for run in runs]):.4f} | "
            f"{np.mean([run['seconds'] for run in runs]):.0f} | {made} |"
        )
    names = [name for name in MODELS if name != "auto"]
    lines += ["", "Each model alone:", "", f"| data set | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    for data in DATA:
        cells = []
        for name in names:
            runs = list(found.get(data, {}).get(name, {}).values())
            cells.append(f"{np.mean([run['test'] for run in runs]):.4f} ({len(runs)})" if runs else "")
        lines.append(f"| {data} | {' | '.join(cells)} |")
    return lines


def commits(found: dict[str, dict[str, Any]]) -> str:
    """Commits of the runs of auto, with their seeds."""
    runs = [(run["commit"], seed) for entry in found.values() for seed, run in entry.get("auto", {}).items()]
    seeds = {commit: sorted({seed for other, seed in runs if other == commit}) for commit, _ in runs}
    return " and ".join(f"{(commit or 'unknown')[:7]} (seed {', '.join(some)})" for commit, some in seeds.items())


def best_classic(entry: dict[str, Any]) -> str:
    """Name and accuracy of the best one."""
    if "classics" not in entry:
        return ""
    name = max(entry["classics"], key=lambda one: entry["classics"][one])
    return f"{entry['classics'][name]:.4f} ({name})"


if __name__ == "__main__":
    main()
