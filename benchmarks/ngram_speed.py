"""Speed and size of the exported n-gram linear model, beside scikit-learn's pipeline of the same kind in the same run.

python benchmarks/ngram_speed.py [--data banking77 ...]
"""

import argparse
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from running import SHARED, scratch, train, write_result

from kerasnlp_kit.data import read_table

BATCH = 256
ROUNDS = 7
SINGLES = 300
# Of banking77: seconds of the whole process of train.py with its proof, and milliseconds for one text.
WHOLE_PROCESS, ONE_TEXT = 25, 1.0
MEGABYTES = 50
PRUNED_TO = (45, 5, 2, 1)


@dataclass(frozen=True)
class Side:
    """One of the two: answers many texts, or one; and what it took to get there."""

    name: str
    answer: Callable[[list[str]], np.ndarray]
    batch: int | None
    training: float
    """Seconds; of ours those of the whole process of train.py, with export and proof."""
    megabytes: float | None = None


def main() -> None:
    """Trains both sides on each data set and asks them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["banking77", "trec6", "chnsenticorp"])
    options = parser.parse_args()
    lines = [
        f"Raw texts in, labels out: ours in batches of {BATCH}, scikit-learn's pipeline all texts at once, its fastest "
        f"way; the best of {ROUNDS} rounds in turn. One text: the median over {SINGLES}, likewise. Training: of ours "
        "the whole process of `train.py --model ngram_linear --dev --test`: with the values of C that it tries, solved "
        "once more on all rows, with export, proof and report; of scikit-learn `fit` alone, with one value, on "
        "training and dev rows.",
        "",
        "| data set | side | texts/s | one text, ms | training, s | SavedModel, MB | test accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    verdicts = []
    with scratch() as models:
        for data in options.data:
            asked, gold = column(data, "test", "text"), np.array(column(data, "test", "label"))
            sides = [ours(data, Path(models)), scikit_learn(data)]
            speeds, singles = measure(sides, asked)
            for side, speed, single in zip(sides, speeds, singles, strict=True):
                accuracy = (side.answer(asked) == gold).mean()
                size = "" if side.megabytes is None else f"{side.megabytes:.1f}"
                lines.append(
                    f"| {data} | {side.name} | {speed:.0f} | {single:.2f} | {side.training:.0f} | {size} | "
                    f"{accuracy:.4f} |"
                )
            lines.append(f"| {data} | ratio | **{speeds[0] / speeds[1]:.1f}** | {singles[1] / singles[0]:.1f} | | | |")
            verdicts += goals(data, sides[0], speeds, singles[0])
        pruned = pruning(options.data, Path(models))
    write_result("ngram_speed", "Speed of the n-gram linear model", [*lines, "", *verdicts, "", *pruned])


def pruning(data: list[str], models: Path) -> list[str]:
    """What it costs to leave rare n-grams out."""
    lines = [
        "Pruning: the n-grams that are in the most texts stay, as many as fit (`--max-megabytes`, 45 by default).",
        "",
        "| data set | at most, MB | n-grams | left out | test accuracy |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in data:
        for megabytes in PRUNED_TO:
            run = train(name, ["--model", "ngram_linear", "--max-megabytes", str(megabytes)], models)
            (part,) = run.run["parts"]
            lines.append(
                f"| {name} | {megabytes:g} | {part['features']:,} | {part['left_out']:,} | {run.test_accuracy:.4f} |"
            )
    return lines


def goals(data: str, side: Side, speeds: list[float], single: float) -> list[str]:
    """What was wanted, and whether it is so."""
    wanted = [
        (f"at least as many texts/s as scikit-learn, {speeds[1]:.0f}", speeds[0] >= speeds[1]),
        (f"SavedModel below {MEGABYTES} MB", side.megabytes is not None and side.megabytes < MEGABYTES),
    ]
    if data == "banking77":
        wanted.append((f"trained and proven within {WHOLE_PROCESS} s", side.training <= WHOLE_PROCESS))
        wanted.append((f"one text below {ONE_TEXT:g} ms", single < ONE_TEXT))
    return [f"- {data}: {goal}: {'reached' if reached else 'missed'}" for goal, reached in wanted]


def measure(sides: list[Side], asked: list[str]) -> tuple[list[float], list[float]]:
    """Texts per second, and milliseconds for one text."""
    seconds = [[many(side, asked) for side in sides] for _ in range(ROUNDS)]
    singles = [[one(side, asked[:SINGLES]) for side in sides] for _ in range(ROUNDS)]
    return (len(asked) / np.min(seconds, axis=0)).tolist(), (1e3 * np.min(singles, axis=0)).tolist()


def many(side: Side, asked: list[str]) -> float:
    """Seconds for all texts, in the side's batches."""
    size = side.batch or len(asked)
    return sum(elapsed(side, asked[start : start + size]) for start in range(0, len(asked), size))


def one(side: Side, asked: list[str]) -> float:
    """Median of the seconds for one text."""
    return float(np.median([elapsed(side, [text]) for text in asked]))


def elapsed(side: Side, batch: list[str]) -> float:
    """Seconds for one batch."""
    begin = time.perf_counter()
    side.answer(batch)
    return time.perf_counter() - begin


def ours(data: str, models: Path) -> Side:
    """Trains and exports, in a process of its own, and loads the SavedModel."""
    import tensorflow as tf

    run = train(data, ["--model", "ngram_linear"], models)
    path = run.folder / "saved_model" / "1"
    model = tf.saved_model.load(str(path))
    classify: Any = model.signatures["serving_default"]

    def answer(batch: list[str], model: Any = model) -> np.ndarray:  # the signature does not keep its model alive
        return classify(text=tf.constant(batch))["label"].numpy().astype(str)

    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Side("ngram_linear", answer, BATCH, run.wall, size / 1e6)


def scikit_learn(data: str) -> Side:
    """Fits TF-IDF of words and characters with a linear support vector machine, as classic_classifiers.py does."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, preprocessor=spaced, token_pattern=r"\S+")
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, lowercase=True)
    pipeline = make_pipeline(make_union(words, letters), LinearSVC(C=1))
    begin = time.perf_counter()
    pipeline.fit(*(column(data, "train", name) + column(data, "dev", name) for name in ("text", "label")))
    return Side("scikit-learn", pipeline.predict, None, time.perf_counter() - begin)


def spaced(text: str) -> str:
    """Lower case, one blank around punctuation and around every Chinese character."""
    chinese_apart = re.sub(r"([\u4e00-\u9fff])", r" \1 ", text.lower())
    return re.sub(r'([.!?,\'/()"])', r" \1 ", chinese_apart).replace("\n", " ")


def column(data: str, part: str, name: str) -> list[str]:
    """A column of one file of a shared data set."""
    return read_table(SHARED / "data" / data / f"{part}.csv", [name]).data[name].to_pylist()


if __name__ == "__main__":
    main()
