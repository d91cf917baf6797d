"""New labelled texts, made from those of a file."""

import csv
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from kerasnlp_kit.api.dispatch import run_training
from kerasnlp_kit.api.preparation import say_reading
from kerasnlp_kit.data.examples import Examples, read_examples, require_classes
from kerasnlp_kit.data.writing import require_table_name, write_table, written_path
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.terminal import fit
from kerasnlp_kit.options import parse_run, to_arguments

By = Literal["language_model", "text_vae"]
MODELS = {"language_model": "causal_lm", "text_vae": "text_vae"}
MOST_TOKENS = 1000
MARGIN = 10  # tokens that a new text may be longer than 99% of those of the file
TRIES = 3  # texts that are drawn for each that is wanted, the first time and, for classes that lack some, once more
# Sizes for the few texts that one augments; what is given wins.
OPTIONS: dict[str, dict[str, Any]] = {
    "language_model": {"layers": 2, "d_model": 128, "feed_forward": 512, "batch_tokens": 1024, "epochs": 30},
    "text_vae": {"units": 128, "embedding_dim": 128, "batch_tokens": 1024, "epochs": 30, "anneal_steps": 500},
}


@dataclass(frozen=True)
class Augmentation:
    """New texts.

    Attributes:
        texts: in the order of the labels.
        labels: of each.
        drawn: how many were drawn.
        copies: drawn texts that stand in the file, or were drawn already, are empty or break off.
        doubtful: drawn texts that the file's own texts would give another label.
        columns: what the file calls its texts, "text" where several columns are joined, and its labels.
        without: labels of the file that no new text has.
    """

    texts: list[str]
    labels: list[str]
    drawn: int
    copies: int
    doubtful: int
    columns: tuple[str, str]
    without: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For the terminal."""
        counts = ", ".join(f"{fit(label)} {count:,}" for label, count in sorted(Counter(self.labels).items())[:10])
        return [
            f"{len(self.texts):,} new texts of {self.drawn:,} that were drawn: {self.copies:,} were copies or broke "
            f"off, {self.doubtful:,} looked like another class",
            f"classes     {counts}",
            *([f"without any {', '.join(map(fit, self.without[:10]))}"] if self.without else []),
        ]


def augment(
    data: str | os.PathLike[str],
    by: By = "language_model",
    *,
    text_columns: str | Sequence[str] = (),
    label_column: str | None = None,
    count: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Augmentation:
    """Makes new labelled texts.

    A language model learns the texts, each behind its label, and then writes texts behind a label (Anaby-Tavor et al.
    2020, "Do Not Have Enough Data? Deep Learning to the Rescue!"); an autoencoder writes texts from between two of one
    class. What stands in the file already is dropped, and so is what a linear classifier of the file's texts gives
    another label.

    Args:
        data: file with texts and labels.
        by: what makes them.
        text_columns: columns of the text; found if not given.
        label_column: column of the label, likewise.
        count: of new texts for each class; by default as many as it has.
        seed: of what is drawn.
        say: told what goes on.
        options: of the training, such as ``epochs``; see `train`.

    Raises:
        UserError: the file is not as it should be, or has several labels a row.
        ExportMismatch: the model that makes the texts is not what was exported.
    """
    examples = read_examples(data, text_columns, label_column)
    say_reading(examples, "rows", say)
    require_classes(examples)
    if examples.multi_label:
        raise UserError(f"{examples.source}: rows with several labels cannot be augmented; give one label a row.")
    with tempfile.TemporaryDirectory(prefix="kerasnlp_kit-augment-") as place:
        draw = (_by_language_model if by == "language_model" else _by_autoencoder)(
            examples, Path(place), seed, say, {**OPTIONS[by], **options}
        )
        return _collect(examples, draw, count)


def augment_file(
    data: str | os.PathLike[str], output: str | os.PathLike[str], *, spreadsheet_safe: bool = False, **options: Any
) -> Augmentation:
    """Writes new texts and labels to a file, in columns called as those of the data; see `augment`."""
    require_table_name(output, data)
    if written_path(output).exists():
        raise UserError(f"{output} exists; give another --output, or remove it.")
    found = augment(data, **options)
    if not found.texts:
        raise UserError(f"{data}: every text that was drawn is a copy or looks like another class; nothing is written.")
    text, label = found.columns
    columns = {text: pa.array(found.texts, pa.string()), label: pa.array(found.labels, pa.string())}
    write_table(output, columns, spreadsheet_safe=spreadsheet_safe)
    return found


Draw = Callable[[int, int, int], list[str]]
"""Number of a label, how many texts, and how many were drawn for it before, to texts."""


def _by_language_model(
    examples: Examples, place: Path, seed: int, say: Callable[[str], None], options: dict[str, Any]
) -> Draw:
    from kerasnlp_kit.api.generator import LoadedGenerator

    texts = [f"{_mark(label)} {text}" for label, text in zip(_labels(examples), examples.texts, strict=True)]
    model = LoadedGenerator(_trained("causal_lm", texts, place, seed, say, options))
    tokenizer = model.files.text_tokenizer(model.run["parts"][0])
    most = min(MOST_TOKENS, int(np.quantile(tokenizer.encode(texts).lengths, 0.99)) + MARGIN)

    def draw(label: int, count: int, before: int) -> list[str]:
        mark = _mark(label)
        # Each label has its own seeds: equal ones would draw like texts.
        first = (seed + label * 1_000_003 + before) % 2**31
        found = model.generate([mark], count=count, max_tokens=most, seed=first, temperature=0.9, top_p=0.95)
        own = [text.removeprefix(mark).strip() for text in found]
        # What has so many tokens was broken off.
        return [text if length < most else "" for text, length in zip(own, tokenizer.encode(own).lengths, strict=True)]

    return draw


def _by_autoencoder(
    examples: Examples, place: Path, seed: int, say: Callable[[str], None], options: dict[str, Any]
) -> Draw:
    from kerasnlp_kit.api.autoencoder import LoadedAutoencoder

    model = LoadedAutoencoder(_trained("text_vae", list(examples.texts), place, seed, say, options))
    mean, log_variance = model.encode(list(examples.texts))
    labels = _labels(examples)

    def draw(label: int, count: int, before: int) -> list[str]:
        random = np.random.default_rng((seed, label, before))
        own = np.flatnonzero(labels == label)
        pairs = own[random.integers(0, len(own), (count, 2))]
        shares = random.uniform(0.2, 0.8, (count, 1))
        middle = shares * mean[pairs[:, 0]] + (1 - shares) * mean[pairs[:, 1]]
        spread = np.exp(0.5 * log_variance[pairs].mean(axis=1))
        return model.decode(middle + spread * random.standard_normal(middle.shape))

    return draw


def _trained(
    model: str, texts: Sequence[str], place: Path, seed: int, say: Callable[[str], None], options: dict[str, Any]
) -> Path:
    """Trains a model on texts; its folder."""
    path = place / "texts.csv"
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    given = {"model": model, "text_column": ["text"], "models": str(place), "name": "made", "seed": seed, "samples": 0}
    config, _ = parse_run([str(path), *to_arguments({**given, **options})])
    return run_training(config, say=say, temporary=True).folder


def _collect(examples: Examples, draw: Draw, count: int | None) -> Augmentation:
    labels = _labels(examples)
    known = {" ".join(text.split()).casefold() for text in examples.texts}
    judge = _judge(list(examples.texts), labels)
    texts, names, totals = [], [], Counter[str]()
    for label, name in enumerate(examples.label_names):
        wanted = count if count is not None else int((labels == label).sum())
        kept: list[str] = []
        before = 0
        for _ in range(2):
            if len(kept) >= wanted or not (labels == label).any():
                break
            found = draw(label, TRIES * (wanted - len(kept)), before)
            before += len(found)
            totals["drawn"] += len(found)
            fresh = []
            for text in found:
                key = " ".join(text.split()).casefold()
                if not key or key in known:
                    totals["copies"] += 1
                    continue
                known.add(key)
                fresh.append(text)
            right = judge(fresh) == label if fresh else np.zeros(0, bool)
            totals["doubtful"] += int((~right).sum())
            kept += [text for text, holds in zip(fresh, right, strict=True) if holds]
        texts += kept[:wanted]
        names += [name] * len(kept[:wanted])
    of_text = examples.columns.text
    of_label = examples.columns.label or "label"
    columns = (of_text[0] if len(of_text) == 1 else "texts" if of_label == "text" else "text", of_label)
    without = tuple(name for name in examples.label_names if name not in names)
    return Augmentation(texts, names, totals["drawn"], totals["copies"], totals["doubtful"], columns, without)


def _judge(texts: Sequence[str], labels: np.ndarray) -> Callable[[Sequence[str]], np.ndarray]:
    """A linear classifier of these texts: texts to numbers of labels."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    pipeline = make_pipeline(features, LogisticRegression(C=10.0, max_iter=500)).fit(texts, labels)
    return lambda found: pipeline.predict(found)


def _labels(examples: Examples) -> np.ndarray:
    assert examples.labels is not None
    return examples.labels


def _mark(label: int) -> str:
    """What stands before the texts of a label: no text begins so."""
    return f"§{label}§"
