"""Quality of models that write a text for a text, with the flags named here: dates, pronunciations, Chinese.

python benchmarks/seq2seq_quality.py [--data dates g2p_eng_us cmudict_g2p tatoeba_en_zh] [--minutes 10]

Scores are of the SavedModel on the test file, written greedily and by a beam of 5. Where a source has several targets,
any is right. Of pronunciations, the share of words with an error is what the field calls word error rate, and the error
rate of their symbols phoneme error rate. Results of data sets that are not asked for stay as they are.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from running import RESULTS, ROOT, SHARED, scratch, write_result

from kerasnlp_kit.api.pair_evaluate import evaluate_writer

COSINE = ["--schedule", "cosine", "--warmup", "0.05"]
SOUNDS = ["--model", "lstm_seq2seq", "--units", "256", "--embedding-dim", "128", *COSINE]
FLAGS = {
    "dates": [],
    "g2p_eng_us": [*SOUNDS, "--batch-tokens", "1024", "--learning-rate", "2e-3", "--epochs", "12"],
    "cmudict_g2p": [*SOUNDS, "--batch-tokens", "2048", "--learning-rate", "2e-3", "--epochs", "8"],
    "tatoeba_en_zh": [
        *("--model", "transformer_seq2seq", "--preset", "small", "--dropout", "0.3"),
        *("--learning-rate", "3e-3", *COSINE, "--epochs", "12"),
    ],
}
STORE = RESULTS / "seq2seq_quality.json"


def main() -> None:
    """Trains each, scores it, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(FLAGS), choices=list(FLAGS))
    parser.add_argument("--minutes", type=float, default=10, help="of training, at most")
    options = parser.parse_args()
    found = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    for name in options.data:
        found[name] = measure(name, options.minutes)
        RESULTS.mkdir(exist_ok=True)
        STORE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    lines = [
        "| data set | search | exact match | sequence error rate | token error rate | BLEU | chrF | whole process |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in found.items():
        for search, scores in one["scores"].items():
            cells = f"{scores['exact_match']:.3f} | {1 - scores['exact_match']:.3f} | {scores['token_error_rate']:.3f}"
            corpus = f"{scores['bleu']:.1f} | {scores['chrf']:.1f}"
            lines.append(f"| {name} | {search} | {cells} | {corpus} | {one['seconds']:.0f} s |")
    lines += [
        "",
        *(f"{name}: `{' '.join(one['flags']) or 'no flags'}`, seed 0. {one['bleu']}" for name, one in found.items()),
    ]
    write_result("seq2seq_quality", "Quality of models that write a text for a text", lines)


def measure(name: str, minutes: float) -> dict:
    """Scores of the SavedModel by search, and seconds of the whole process of train.py."""
    folder = SHARED / "data" / name
    files = {part: folder / f"{part}.csv" for part in ("train", "dev", "test")}
    given = [str(files["train"]), "--dev", str(files["dev"])]
    if name == "dates":
        files["test"] = ROOT / "data" / "dates_test.csv"
        given = [str(ROOT / "data" / "dates.csv")]
    flags = [*FLAGS[name], "--minutes", f"{minutes:g}"] if FLAGS[name] else []
    with scratch() as models:
        start = time.perf_counter()
        command = [sys.executable, str(ROOT / "train.py"), *given, "--models", models, "--name", name, *flags]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        metrics = {
            search: evaluate_writer(Path(models) / name, files["test"], beam=beam).metrics
            for search, beam in (("greedy", 1), ("beam 5", 5))
        }
    return {
        "flags": flags,
        "seconds": seconds,
        "bleu": next(iter(metrics.values())).bleu_signature,
        "scores": {search: one.to_json() for search, one in metrics.items()},
    }


if __name__ == "__main__":
    main()
