"""Fits linear models: on the training rows, and at the end on all rows."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.documents import linear_line
from kerasnlp_kit.api.fitted import Fitted, row_weights, stack
from kerasnlp_kit.api.preparation import Prepared
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.constants import LINEAR
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.terminal import fit

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.linear import LinearModel, NgramFeatures
    from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules

WEIGHTS_FACT = "class weights, of the linear model on dev"


@dataclasses.dataclass(frozen=True)
class _Counted:
    """N-grams of the texts, and what naive Bayes makes of them.

    Attributes:
        features: those of the training texts that are kept.
        left_out: those that would make the model too large.
        matrix: float64 (training rows, features), TF-IDF values; of the dev rows `dev_matrix`.
        bayes: naive Bayes over the training rows, whose scores on dev are `bayes_scores` and `bayes_loss` their loss.
        seconds: that it took.
    """

    features: "NgramFeatures"
    left_out: int
    matrix: Any
    dev_matrix: Any
    bayes: "LinearModel"
    bayes_scores: np.ndarray
    bayes_loss: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class _Solution:
    """What was solved on the training rows.

    Attributes:
        model: the machine, naive Bayes added as `shares` say.
        strength: value of C.
        shares: of machine and naive Bayes; None where the machine is alone.
        scores: float (dev rows, classes).
        loss: of the dev rows together.
        left_out: n-grams that would make it too large.
        effect: of class weights on dev, if there are any.
        seconds: that it took, with counting.
    """

    model: "LinearModel"
    strength: float
    shares: list[float] | None
    scores: np.ndarray
    loss: float
    left_out: int
    effect: str
    seconds: float


def fit_linear(run: Run[RunConfig], prepared: Prepared, model_name: str, architecture: Any, path: Path) -> Fitted:
    """Solves the linear model for each strength, and with case, keeps what fits dev best, and writes it to ``path``."""
    begin = time.perf_counter()
    lower = run.config.text.lower
    counted = _count(prepared, architecture, architecture.rules(lower))
    if counted is None:
        raise UserError(f"No n-gram is in {architecture.min_texts} texts of {prepared.train.name}; lower --min-texts.")
    found, of_bayes = _solve(run, prepared, architecture, counted, architecture.strengths), counted.bayes_loss
    del counted  # not beside what is counted with case: the matrices are what takes the memory
    if lower and architecture.try_case and any(text != text.lower() for text in prepared.train.examples.texts):
        with_case = _count(prepared, architecture, architecture.rules(False))
        # Naive Bayes is asked first: it takes a tenth of the time, and where case does not help it, it seldom helps.
        if with_case is not None and with_case.bayes_loss + 1 < of_bayes:
            cased = _solve(run, prepared, architecture, with_case, (found.strength,))
            if cased.loss + 1 < found.loss:
                lower, found = False, cased
    found.model.save(path)
    seconds = time.perf_counter() - begin
    name = path.stem
    run.say(linear_line(name, found.model, found.strength, found.left_out, seconds))
    if found.effect:
        run.say(f"{name}: class weights on dev: {found.effect}")
    record = {
        "name": name,
        "kind": LINEAR,
        "model": model_name,
        "architecture": dataclasses.asdict(architecture),
        "lower": lower,
        "strength": found.strength,
        "shares": found.shares,
        "scale": 1.0,
        "training": {"seconds": round(seconds, 1), "chosen_seconds": round(found.seconds, 1)},
    }
    fitted = Fitted(record, found.scores)
    _describe_solution(fitted, found.model, found.left_out)
    run.record["baseline"] = record  # what others are set beside
    if found.effect:
        fitted.facts[WEIGHTS_FACT] = found.effect
    return fitted


def _count(prepared: Prepared, architecture: Any, rules: "NgramRules") -> _Counted | None:
    """N-grams of training and dev texts; None if none is in enough texts."""
    from kerasnlp_kit.tasks.linear import LinearModel
    from kerasnlp_kit.text.ngrams import count_ngrams
    from kerasnlp_kit.training.linear import naive_bayes

    begin = time.perf_counter()
    classes = len(prepared.label_names)
    counts, dev_counts = (count_ngrams(rules, part.examples.texts) for part in (prepared.train, prepared.dev))
    features, left_out = _features(prepared, architecture, rules, counts)
    if not len(features.keys):
        return None
    matrix, dev_matrix = features.matrix(counts), features.matrix(dev_counts)
    bayes = LinearModel(features, *naive_bayes(matrix, prepared.train.labels, classes), classes)
    scores = bayes.scores_of(dev_matrix)
    loss = stack(prepared, [scores])[1]
    return _Counted(features, left_out, matrix, dev_matrix, bayes, scores, loss, time.perf_counter() - begin)


def _solve(
    run: Run[RunConfig], prepared: Prepared, architecture: Any, counted: _Counted, strengths: Sequence[float]
) -> _Solution:
    """What fits dev best of several strengths, with or without naive Bayes."""
    from kerasnlp_kit.tasks.linear import LinearModel, sum_of
    from kerasnlp_kit.training.linear import lowest, solve

    begin = time.perf_counter()
    classes = len(prepared.label_names)
    features, matrix, dev_matrix = counted.features, counted.matrix, counted.dev_matrix
    labels, weights = prepared.train.labels, row_weights(run, prepared.train.labels, classes)
    solved: dict[float, tuple[LinearModel, np.ndarray, float]] = {}

    def loss_of(strength: float) -> float:
        model = LinearModel(features, *solve(matrix, labels, classes, strength, architecture.solver, weights), classes)
        scores = model.scores_of(dev_matrix)
        # Not the accuracy: of some hundred rows it is mostly chance.
        solved[strength] = model, scores, stack(prepared, [scores])[1]
        return solved[strength][2]

    strength = lowest(sorted(set(strengths)), loss_of)
    model, scores, loss = solved[strength]
    shares = None
    if architecture.naive_bayes:
        found, joined = stack(prepared, [scores, counted.bayes_scores])
        if joined + 1 < loss:
            # The machine keeps its unit: the scale of the whole is found later, or is not wanted.
            shares, loss = [float(share) for share in found / (found[0] or 1)], joined
            model = sum_of([model, counted.bayes], shares)
            scores = model.scores_of(dev_matrix)
    effect = ""
    if weights is not None:
        plain = LinearModel(features, *solve(matrix, labels, classes, strength, architecture.solver), classes)
        without = plain.scores_of(dev_matrix)
        if shares:
            found, _ = stack(prepared, [without, counted.bayes_scores])
            without = found[0] * without + found[1] * counted.bayes_scores
        effect = weights_effect(prepared, without, scores)
    seconds = counted.seconds + time.perf_counter() - begin
    return _Solution(model, strength, shares, scores, loss, counted.left_out, effect, seconds)


def weights_effect(prepared: Prepared, without: np.ndarray, weighted: np.ndarray) -> str:
    """What class weights change on dev: accuracy, macro F1, recall of the rarest class.

    Args:
        prepared: with one label a row.
        without: float (dev rows, classes), scores of a model without class weights.
        weighted: those of the model with them.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    labels = prepared.dev.labels
    in_dev = np.unique(labels)
    counts = np.bincount(prepared.train.labels, minlength=len(prepared.label_names))
    rarest = int(in_dev[counts[in_dev].argmin()])
    answers = without.argmax(axis=1), weighted.argmax(axis=1)

    def change(name: str, measure: Callable[[np.ndarray], float]) -> str:
        before, after = (float(measure(answer)) for answer in answers)
        return f"{name} {before:.4f} to {after:.4f}"

    return ", ".join(
        [
            change("accuracy", lambda answer: accuracy_score(labels, answer)),
            change("macro F1", lambda answer: f1_score(labels, answer, labels=in_dev, average="macro")),
            change(
                f"recall of {fit(prepared.label_names[rarest])} ({counts[rarest]:,} training rows)",
                lambda answer: recall_score(labels, answer, labels=[rarest], average="macro"),
            ),
        ]
    )


def refit_linear(run: Run[RunConfig], prepared: Prepared, fitted: Fitted, path: Path) -> None:
    """Solves it once more, on training and dev rows, with the strength that was best on dev."""
    from kerasnlp_kit.tasks.linear import LinearModel, sum_of
    from kerasnlp_kit.text.ngrams import count_ngrams
    from kerasnlp_kit.training.linear import naive_bayes, solve

    begin = time.perf_counter()
    run.say(f"{fitted.name}: once more, on training and dev rows")
    architecture: Any = registry.find(fitted.record["model"]).architecture(**fitted.record["architecture"])
    rules, classes = architecture.rules(fitted.record["lower"]), len(prepared.label_names)
    texts = [*prepared.train.examples.texts, *prepared.dev.examples.texts]
    labels = np.concatenate([prepared.train.labels, prepared.dev.labels])
    counts = count_ngrams(rules, texts)
    features, left_out = _features(prepared, architecture, rules, counts)
    matrix, weights = features.matrix(counts), row_weights(run, labels, classes)
    model = LinearModel(
        features, *solve(matrix, labels, classes, fitted.record["strength"], architecture.solver, weights), classes
    )
    if shares := fitted.record["shares"]:
        model = sum_of([model, LinearModel(features, *naive_bayes(matrix, labels, classes), classes)], shares)
    model.save(path)
    fitted.record["training"]["refit_seconds"] = round(time.perf_counter() - begin, 1)
    _describe_solution(fitted, model, left_out)


def _features(
    prepared: Prepared, architecture: Any, rules: "NgramRules", counts: "NgramCounts"
) -> "tuple[NgramFeatures, int]":
    """`choose_features` with the options of the model."""
    from kerasnlp_kit.training.linear import choose_features

    return choose_features(
        rules,
        counts,
        len(prepared.label_names),
        least_texts=architecture.min_texts,
        megabytes=architecture.max_megabytes,
        multi_label=prepared.multi_label,
    )


def _describe_solution(fitted: Fitted, model: "LinearModel", left_out: int) -> None:
    record, features = fitted.record, len(model.features.keys)
    record.update(features=features, left_out=left_out)
    record["training"]["parameters"] = model.weights.size + model.bias.size
    case = "" if model.features.rules.lower else ", upper and lower case apart"
    fitted.facts["n-grams"] = f"{features:,}{case}, C {record['strength']:g}, {record['training']['seconds']:.0f} s"
