"""Examines the files of a data set: what `kerasnlp_kit.data.doctor` finds, and what a quick linear model tells."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from kerasnlp_kit.api.diagnosis import Diagnosis
from kerasnlp_kit.api.preparation import Say, say_reading
from kerasnlp_kit.data.columns import Columns
from kerasnlp_kit.data.copies import Copies, find_copies
from kerasnlp_kit.data.doctor import examine, most_serious_first
from kerasnlp_kit.data.examples import Examples, read_examples
from kerasnlp_kit.data.findings import Finding, Pool, counted, rounded
from kerasnlp_kit.data.kind import looks_like_pairs
from kerasnlp_kit.data.label_noise import likely_wrong_labels
from kerasnlp_kit.data.names import listed
from kerasnlp_kit.data.near_duplicates import plain_text, text_keys
from kerasnlp_kit.data.source import is_same_file
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.paths import home_filled_in

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.linear import NgramFeatures
    from kerasnlp_kit.text.ngrams import NgramCounts

_FOLDS = 5  # and as many distinct texts a class must have to be judged
_MOST_ROWS = 50_000  # for the linear model; more take minutes
_MOST_CHARACTERS = 2_000  # of a text, likewise
_MOST_SCORES = 25_000_000  # of rows and classes at once: 0.2 GB, several times
_FLATTERED = 0.01  # accuracy


def doctor(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    text_columns: str | Sequence[str] = (),
    label_columns: str | Sequence[str] = (),
    label_separator: str | None = None,
    model: bool = True,
    seed: int = 0,
    say: Say = print,
) -> Diagnosis:
    """Looks for what is wrong with a data set: leaks, repeats, damaged texts, conflicting and likely wrong labels.

    Args:
        files: The training file, and after it the others, such as dev and test; they need not have labels.
        text_columns: The columns of the text; found if not given.
        label_columns: The column of the label; found if not given. Several are columns of 0 and 1, a label each.
        label_separator: What stands between the labels of a text that may have several.
        model: Whether to train a linear model, for the likely wrong labels and for the accuracy without leaks.
        seed: Of folds and model: equal seeds give equal findings.
        say: Told what was read, line by line.

    Raises:
        UserError: no file, one named twice, one that cannot be read, or pairs of texts.
    """
    sources = [os.fspath(file) for file in ([files] if isinstance(files, str | os.PathLike) else files)]
    if not sources:
        raise UserError("expected a file or several: the training file first, then dev and test.")
    for place, source in enumerate(sources):
        if any(_is_same(source, other) for other in sources[:place]):
            raise UserError(f"{source} is named twice. Name each file of the data set once.")
    if not (text_columns or label_columns or label_separator) and all(map(looks_like_pairs, sources)):
        raise UserError(
            f"{sources[0]} holds pairs, a text for a text, and the doctor looks at labelled texts. If one of the "
            "columns is a label, name both with --text-column and --label-column."
        )
    pool = Pool(_read_files(sources, _Asked(listed(text_columns), listed(label_columns), label_separator), say))
    copies = find_copies(pool)
    findings = examine(pool, copies)
    # Confident learning and accuracy are for one label a row.
    if model and pool.multi_label:
        say("note: with several labels a row, wrong labels and the accuracy without leaks are not looked for.")
    elif model and (pool.labels >= 0).any():
        say("Training a linear model on parts of the rows, to judge the labels of the others ...")
        findings += [*_likely_wrong(pool, copies, seed, say), *_accuracy(pool, copies, seed)]
    return Diagnosis(pool.examples, pool.names, tuple(most_serious_first(findings)))


def _is_same(one: str, other: str) -> bool:
    """Whether two names are of one file."""
    return one == other or is_same_file(one, home_filled_in(other))


def out_of_fold_probabilities(texts: Sequence[str], labels: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Returns float64 (rows, classes): each row's probabilities by a model that has seen neither it nor an equal text.

    TF-IDF of words and character n-grams, linear support vector machines, five stratified folds. The margins become
    probabilities by a softmax whose one scale is that of the highest likelihood on the held-out rows.

    Args:
        texts: One string a row.
        labels: int (rows,): from 0 to classes - 1. A class with fewer than two distinct texts gets probability 0 where
            it is held out.
        classes: Their number.
        seed: Of the folds.
    """
    from kerasnlp_kit.evaluation.scales import fit_scales

    labels = np.asarray(labels, np.int64)
    counts = _counts(texts)
    matrix = _features(counts, len(texts), classes).matrix(counts)
    folds = _folds(text_keys(map(plain_text, texts)), labels, seed)
    margins = np.full((len(labels), classes), -np.inf)
    for fold in np.unique(folds):
        train, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        margins[held_out] = _solved(matrix[train], labels[train], classes)(matrix[held_out])
    known = np.isfinite(margins).all(axis=1)  # where no model of a fold has seen a class, no scale can be found
    scale = fit_scales([margins[known]], labels[known])[0] if known.any() else 1.0
    return softmax(scale * margins, axis=1)


def predicted_classes(texts: Sequence[str], labels: np.ndarray, others: Sequence[str], classes: int) -> np.ndarray:
    """Returns int64 (others,): the classes of other texts by the linear model of `out_of_fold_probabilities`.

    Args:
        texts: The texts to train on.
        labels: int (rows,): their classes, two at least.
        others: The texts to classify.
        classes: Their number.
    """
    counts = _counts(texts)
    features = _features(counts, len(texts), classes)
    margins = _solved(features.matrix(counts), np.asarray(labels, np.int64), classes)
    at_once = max(1, min(_MOST_ROWS, _MOST_SCORES // classes))
    predicted = [
        margins(features.matrix(_counts(others[start : start + at_once]))).argmax(axis=1)
        for start in range(0, len(others), at_once)
    ]
    return np.concatenate([np.zeros(0, np.int64), *predicted])


def _counts(texts: Sequence[str]) -> "NgramCounts":
    from kerasnlp_kit.text.ngrams import NgramRules, count_ngrams

    return count_ngrams(NgramRules(), [text[:_MOST_CHARACTERS] for text in texts])


def _features(counts: "NgramCounts", texts: int, classes: int) -> "NgramFeatures":
    """The n-grams that the model of so many texts and classes looks at."""
    from kerasnlp_kit.text.ngrams import NgramRules
    from kerasnlp_kit.training.linear import choose_features

    rare = 2 if texts > 1_000 else 1  # n-grams of a single text cost much and tell little
    return choose_features(NgramRules(), counts, classes, least_texts=rare)[0]


def _solved(matrix: Any, labels: np.ndarray, classes: int) -> Callable[[Any], np.ndarray]:
    """A linear model of some rows: the features of others to margins, float64 (others, classes).

    They are -inf for classes without a row.
    """
    from kerasnlp_kit.training.linear import solve

    present = np.unique(labels)
    solved = solve(matrix, labels, classes, 1.0) if len(present) > 1 else None

    def margins(others: Any) -> np.ndarray:
        given = np.full((others.shape[0], classes), -np.inf)
        if solved is None:
            given[:, present] = 0
            return given
        weights, bias = solved
        found = others @ weights.astype("float64") + bias
        found = np.hstack([-found / 2, found / 2]) if found.shape[1] < classes else found
        given[:, present] = found[:, present]
        return given

    return margins


def _folds(keys: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Returns int64 (rows,): a fold for each row; equal keys in one fold, and each class spread over all."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first[order]], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % _FOLDS
    return fold[group]


def _likely_wrong(pool: Pool, copies: Copies, seed: int, say: Say) -> list[Finding]:
    """Confident learning on all rows with labels, of the classes that have a distinct text for each fold."""
    rows = _some(np.flatnonzero((pool.labels >= 0) & ~copies.blank), seed)
    pairs = np.unique(np.stack([pool.labels[rows], copies.plain[rows]]), axis=1)
    judged = np.flatnonzero(np.bincount(pairs[0], minlength=len(pool.label_names)) >= _FOLDS)
    rows = rows[np.isin(pool.labels[rows], judged)]
    if len(np.unique(pool.labels[rows])) < 2:
        return []
    if len(rows) * len(judged) > _MOST_SCORES:
        say(
            f"note: likely wrong labels are not looked for: {len(rows):,} rows of {len(judged):,} classes are too many."
        )
        return []
    labels = np.searchsorted(judged, pool.labels[rows])
    texts = pool.texts.take(rows)
    probabilities = out_of_fold_probabilities(texts, labels, len(judged), seed)
    found = likely_wrong_labels(probabilities, labels)
    if not len(found):
        return []
    best = probabilities[found].argmax(axis=1)
    suspects = rows[found]
    return [
        Finding(
            "likely_wrong_labels",
            "warning",
            len(found),
            f"{counted(len(found), 'label is', 'labels are')} likely wrong, of {len(rows):,} that a linear model "
            f"judged without having seen them: {pool.by_file(suspects)}",
            "Found by confident learning (Northcutt et al. 2021), worst first. Some are hard texts with the right "
            "label: read from the top, mend what is wrong, and stop where most are right.",
            pool.table(
                suspects,
                suggested_label=[pool.label_names[judged[code]] for code in best.tolist()],
                probability_of_label=rounded(probabilities[found, labels[found]]),
                probability_of_suggested_label=rounded(probabilities[found, best]),
            ),
        )
    ]


def _accuracy(pool: Pool, copies: Copies, seed: int) -> list[Finding]:
    """Accuracy on each later file with labels, of all rows and of those that the training file has nothing like."""
    train = _some(pool.of(0), seed)
    others = np.flatnonzero((pool.labels >= 0) & (pool.file > 0))
    if not len(others) or len(np.unique(pool.labels[train])) < 2:
        return []
    predicted = predicted_classes(
        pool.texts.take(train), pool.labels[train], pool.texts.take(others), len(pool.label_names)
    )
    right = predicted == pool.labels[others]
    columns: dict[str, list[Any]] = {name: [] for name in _ACCURACY_COLUMNS}
    said, worst, known_rows = [], 0.0, 0
    for file in np.unique(pool.file[others]).tolist():
        here = pool.file[others] == file
        known = here & copies.in_training[others]
        groups = (here, here & ~known, known)
        counts = [int(group.sum()) for group in groups]
        values = [float(right[group].mean()) if group.any() else None for group in groups]
        cells = (pool.names[file], *(cell for pair in zip(counts, values, strict=True) for cell in pair))
        for name, cell in zip(_ACCURACY_COLUMNS, cells, strict=True):
            columns[name].append(round(cell, 4) if isinstance(cell, float) else cell)
        said.append(_accuracy_said(pool.names[file], counts, values))
        worst = max(worst, (values[0] or 0.0) - values[1] if values[1] is not None else 0.0)
        known_rows += counts[2]
    part = "" if len(train) == pool.sizes[0] else f"{len(train):,} rows of "
    return [
        Finding(
            "accuracy",
            "serious" if worst >= _FLATTERED else "note",
            known_rows,
            f"accuracy of a linear model trained on {part}{pool.names[0]}: {'; '.join(said)}",
            "Rows whose text, or nearly that text, is in the training file show what a model has learnt by heart. The "
            "figure without them is what to expect of new texts.",
            columns,
        )
    ]


_ACCURACY_COLUMNS = (
    "file",
    "rows",
    "accuracy",
    "rows_not_in_training",
    "accuracy_not_in_training",
    "rows_in_training",
    "accuracy_in_training",
)


def _accuracy_said(name: str, counts: Sequence[int], values: Sequence[float | None]) -> str:
    everything = f"{name} {values[0]:.4f} of {counts[0]:,} rows"
    if not counts[2]:
        return f"{everything}, none of them in the training file"
    if values[1] is None:
        return f"{everything}, all of them in the training file"
    return f"{everything}, {values[1]:.4f} without the {counts[2]:,} in the training file"


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    """Returns the rows, or as many of them as the linear model can take, in their order."""
    if len(rows) <= _MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))


@dataclass(frozen=True)
class _Asked:
    """The columns that the user names; empty where they are to be found."""

    text: tuple[str, ...]
    labels: tuple[str, ...]
    separator: str | None


def _read_files(sources: Sequence[str], asked: _Asked, say: Say) -> list[Examples]:
    files: list[Examples] = []
    for source in sources:
        examples = _read_file(source, asked, files[0] if files else None)
        say_reading(examples, "rows", say)
        files.append(examples)
    return files


def _read_file(source: str, asked: _Asked, train: Examples | None) -> Examples:
    """Reads a file, without labels if it has none and the user did not name any."""
    columns = train.columns if train else None
    read = partial(read_examples, source, asked.text, label_separator=asked.separator, preferred=columns)
    if columns and not columns.labels:
        return read(need_label=False)
    try:
        return read(asked.labels or None, preferred_labels=train.label_names if train else ())
    except UserError as error:
        if asked.labels or source == "-":  # standard input cannot be read twice
            raise
        failure = error
    try:
        examples = read(need_label=False)
    except UserError:
        raise failure from None
    if columns and examples.columns.labels != columns.labels:
        # A column with another name has other labels.
        bare = Columns(examples.columns.text, None, examples.columns.reason, examples.columns.guessed)
        examples = replace(examples, labels=None, targets=None, label_names=(), columns=bare)
    if not examples.columns.labels:
        examples = replace(examples, notes=(*examples.notes, f"looked at without labels. {failure}"))
    return examples
