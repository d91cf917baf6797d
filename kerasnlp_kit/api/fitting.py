"""Fits the parts of a model, linear ones and networks: on the training rows, and at the end on all rows."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnlp_kit.api import start
from kerasnlp_kit.api.documents import linear_line, network_lines
from kerasnlp_kit.api.preparation import Prepared, Tokens
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import RunConfig, TrainingOptions
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.decision import fit_scales, fit_scales_binary
from kerasnlp_kit.evaluation.terminal import fit
from kerasnlp_kit.export.folder import CHECKPOINTS, LINEAR, NETWORK, build_network
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.linear import LinearModel, NgramFeatures
    from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules
    from kerasnlp_kit.training.batches import Batches

EVALUATION_BATCH = 256
EVALUATION_COST = 1.3  # what dev rows, checkpoints and slower steps than the fastest add to an epoch
WEIGHTS_FACT = "class weights, of the linear model on dev"
REFIT = "refit"  # end of the name of the checkpoints' folder


@dataclass
class Fitted:
    """A part of a model.

    Attributes:
        record: its entry in run.json; the weights are in the folder, under its name.
        dev_scores: float (dev rows, classes), from training rows alone.
        options: of the training, for networks.
        facts: what the report says of it.
    """

    record: dict[str, Any]
    dev_scores: np.ndarray
    options: TrainingOptions | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the part, its weights and its checkpoints."""
        return self.record["name"]

    @property
    def sound(self) -> bool:
        """Whether all its scores are numbers."""
        return bool(np.isfinite(self.dev_scores).all())

    @property
    def weights_on_dev(self) -> int:
        """How many weights were found on dev, its scale among them."""
        return len(self.record.get("shares") or (1,))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended its training."""
        return bool(self.record["training"].get("interrupted"))


def dev_measure(prepared: Prepared, scores: np.ndarray) -> float:
    """Accuracy on dev; where a row may have several labels, micro-averaged F1 of the labels with a score above 0."""
    labels = prepared.dev.labels
    if not prepared.multi_label:
        return float((scores.argmax(axis=1) == labels).mean())
    chosen = scores > 0
    return float(2 * (chosen & labels).sum() / max(1, chosen.sum() + labels.sum()))


def stack(prepared: Prepared, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Weights of several scores that make the dev labels most probable, and how improbable they then still are.

    Returns:
        float64 (scores,), and the negative log-likelihood of all dev rows together. What adds a weight should lower
        the latter by more than 1 (Akaike 1974, "A New Look at the Statistical Model Identification").
    """
    labels = prepared.dev.labels
    fit_weights = fit_scales_binary if prepared.multi_label else fit_scales
    weights = fit_weights(scores, labels)
    joined = np.sum([weight * np.asarray(one, "float64") for weight, one in zip(weights, scores, strict=True)], axis=0)
    if prepared.multi_label:
        return weights, float((np.logaddexp(0, joined) - labels * joined).sum())
    right = joined[np.arange(len(labels)), labels]
    return weights, float((np.logaddexp.reduce(joined, axis=1) - right).sum())


# Linear


def fit_linear(run: Run[RunConfig], prepared: Prepared, model_name: str, architecture: Any, path: Path) -> Fitted:
    """Solves the linear model for each strength, keeps what fits dev best, and writes it to ``path``."""
    from kerasnlp_kit.tasks.linear import LinearModel, sum_of
    from kerasnlp_kit.text.ngrams import count_ngrams
    from kerasnlp_kit.training.linear import lowest, naive_bayes, solve

    begin = time.perf_counter()
    rules, classes = architecture.rules(run.config.text.lower), len(prepared.label_names)
    counts, dev_counts = (count_ngrams(rules, part.examples.texts) for part in (prepared.train, prepared.dev))
    features, left_out = _features(prepared, architecture, rules, counts)
    if not len(features.keys):
        raise UserError(f"No n-gram is in {architecture.min_texts} texts of {prepared.train.name}; lower --min-texts.")
    matrix, dev_matrix = features.matrix(counts), features.matrix(dev_counts)
    labels, weights = prepared.train.labels, _row_weights(run, prepared.train.labels, classes)
    solved: dict[float, tuple[LinearModel, np.ndarray, float]] = {}

    def loss_of(strength: float) -> float:
        model = LinearModel(features, *solve(matrix, labels, classes, strength, architecture.solver, weights), classes)
        scores = model.scores_of(dev_matrix)
        # Not the accuracy: of some hundred rows it is mostly chance.
        solved[strength] = model, scores, stack(prepared, [scores])[1]
        return solved[strength][2]

    strength = lowest(sorted(set(architecture.strengths)), loss_of)
    model, scores, loss = solved[strength]
    shares = None
    if architecture.naive_bayes:
        bayes = LinearModel(features, *naive_bayes(matrix, labels, classes), classes)
        of_bayes = bayes.scores_of(dev_matrix)
        found, joined = stack(prepared, [scores, of_bayes])
        if joined + 1 < loss:
            # The machine keeps its unit: the scale of the whole is found later, or is not wanted.
            shares = [float(share) for share in found / (found[0] or 1)]
            model = sum_of([model, bayes], shares)
            scores = model.scores_of(dev_matrix)
    effect = ""
    if weights is not None:
        plain = LinearModel(features, *solve(matrix, labels, classes, strength, architecture.solver), classes)
        without = plain.scores_of(dev_matrix)
        if shares:
            found, _ = stack(prepared, [without, of_bayes])
            without = found[0] * without + found[1] * of_bayes
        effect = weights_effect(prepared, without, scores)
    model.save(path)
    seconds = time.perf_counter() - begin
    name = path.stem
    run.say(linear_line(name, model, strength, left_out, seconds))
    if effect:
        run.say(f"{name}: class weights on dev: {effect}")
    record = {
        "name": name,
        "kind": LINEAR,
        "model": model_name,
        "architecture": dataclasses.asdict(architecture),
        "lower": run.config.text.lower,
        "strength": strength,
        "shares": shares,
        "scale": 1.0,
        "training": {"seconds": round(seconds, 1)},
    }
    fitted = Fitted(record, scores)
    _describe_solution(fitted, model, left_out)
    if effect:
        fitted.facts[WEIGHTS_FACT] = effect
    return fitted


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
            change("macro F1", lambda answer: f1_score(labels, answer, average="macro")),
            change(
                f"recall of {fit(prepared.label_names[rarest])} ({counts[rarest]:,} training rows)",
                lambda answer: recall_score(labels, answer, labels=[rarest], average="macro"),
            ),
        ]
    )


def refit_linear(run: Run[RunConfig], prepared: Prepared, fitted: Fitted, architecture: Any, path: Path) -> None:
    """Solves it once more, on training and dev rows, with the strength that was best on dev."""
    from kerasnlp_kit.tasks.linear import LinearModel, sum_of
    from kerasnlp_kit.text.ngrams import count_ngrams
    from kerasnlp_kit.training.linear import naive_bayes, solve

    begin = time.perf_counter()
    run.say(f"{fitted.name}: once more, on training and dev rows")
    rules, classes = architecture.rules(run.config.text.lower), len(prepared.label_names)
    texts = [*prepared.train.examples.texts, *prepared.dev.examples.texts]
    labels = np.concatenate([prepared.train.labels, prepared.dev.labels])
    counts = count_ngrams(rules, texts)
    features, left_out = _features(prepared, architecture, rules, counts)
    matrix, weights = features.matrix(counts), _row_weights(run, labels, classes)
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
    fitted.facts["n-grams"] = f"{features:,}, C {record['strength']:g}, {record['training']['seconds']:.0f} s"


def _row_weights(run: Run[RunConfig], labels: np.ndarray, classes: int) -> np.ndarray | None:
    from kerasnlp_kit.training.optimization import balanced_weights

    if not run.config.training.class_weights:
        return None
    return balanced_weights(labels, classes)


# Networks


def fit_network(
    run: Run[RunConfig],
    prepared: Prepared,
    tokens: Tokens,
    model: str,
    architecture: Any,
    options: TrainingOptions,
) -> Fitted:
    """Trains a network, with early stopping on dev, and writes its weights; or continues from its checkpoint."""
    from kerasnlp_kit.training.batches import Batches

    work = run.places.work
    states = work.path / CHECKPOINTS / model
    record: dict[str, Any] = {
        "name": model,
        "kind": NETWORK,
        "model": model,
        "architecture": dataclasses.asdict(architecture),
        "sizes": dataclasses.asdict(tokens.sizes),
        "widths": list(tokens.widths),
        "scale": 1.0,
    }
    vectors = None
    # Also on a resume: a run that was killed before its first checkpoint begins with them again.
    if run.config.text.vectors:
        vectors = start.load_vectors(run.config.text.vectors, tokens, run.say)
        record["architecture"]["embedding_dim"] = vectors[0].shape[1]
        if "embedding_dim" in run.record["options"]:  # which auto has not
            # A model that starts from this one reads the options.
            run.record["options"]["embedding_dim"] = vectors[0].shape[1]
    if not run.resume:
        run.write_record()
    scope, device_count = devices.distribution(run.config.device.devices)
    train_batches = _batches(run, tokens.train, prepared.train.labels, tokens, options, device_count)
    dev_batches = Batches(tokens.dev, prepared.dev.labels, EVALUATION_BATCH, tokens.widths, multiple=device_count)
    for part, batches in (("training", train_batches), ("dev", dev_batches)):
        if not len(batches):
            raise UserError(f"There are fewer {part} rows than the {device_count} devices that share a batch.")
    with scope:
        network, frozen = _network(run, prepared, record, options, vectors)
        parameters = network.count_params()
        device = devices.describe_device() + f", {run.config.device.backend}"
        for line in network_lines(tokens, model, parameters, device):
            run.say(line)
        if frozen:
            run.say(f"frozen     {', '.join(frozen)}")
        run.say("")
        history = work.path / ("history.csv" if model == run.spec.name else f"history-{model}.csv")
        outcome = _train(run, prepared, network, train_batches, dev_batches, options, states, history)
        save_weights(network, work.weights(record))
        values = network.get_weights()
    # By a copy as it is exported: several devices would each answer every batch, and 16 bits round.
    with devices.exact():
        exported = build_network(record)
        exported.set_weights(values)
    dev_scores = predict(exported, tokens.dev, tokens.widths)
    record["training"] = {
        "history": dict(outcome.history),
        "best_epoch": outcome.best_epoch,
        "seconds": round(outcome.seconds, 1),
        "interrupted": outcome.interrupted,
        "parameters": parameters,
    }
    epochs = len(outcome.history.get("loss", ()))
    facts = {
        model: f"{parameters:,} parameters; {outcome.seconds:.0f} s, {epochs} epochs, best {outcome.best_epoch}"
        + (", ended by Ctrl-C" if outcome.interrupted else ""),
        "device": device,
        "seed": str(options.seed),
    }
    return Fitted(record, dev_scores, options, facts)


def seconds_an_epoch(
    run: Run[RunConfig], prepared: Prepared, tokens: Tokens, model: str, architecture: Any, options: TrainingOptions
) -> float:
    """How long an epoch will take: a few steps of each width are timed, with a network that is thrown away."""
    from kerasnlp_kit.training.loop import compile_model
    from kerasnlp_kit.training.optimization import make_optimizer

    record = {
        "model": model,
        "architecture": dataclasses.asdict(architecture),
        "sizes": dataclasses.asdict(tokens.sizes),
    }
    scope, device_count = devices.distribution(run.config.device.devices)
    batches = _batches(run, tokens.train, prepared.train.labels, tokens, options, device_count)
    plan = batches.plan(0)
    widths = [width for width, _ in plan]
    total = 0.0
    with scope:
        network, _ = _network(run, prepared, record, options, None)
        loss, metric = _loss_and_metric(prepared, options)
        compile_model(network, make_optimizer(options, 1), loss, metric, options)
        for width in sorted(set(widths)):
            (batch,) = batches.batches([next(batch for batch in plan if batch[0] == width)])
            times = []
            for _ in range(3):  # the first one also compiles
                begin = time.perf_counter()
                network.train_on_batch(*batch)
                times.append(time.perf_counter() - begin)
            total += min(times) * widths.count(width)
    return total * EVALUATION_COST


def refit_network(run: Run[RunConfig], prepared: Prepared, tokens: Tokens, fitted: Fitted) -> bool:
    """Trains it once more from the start, on training and dev rows, up to the epoch that was best on dev.

    Returns:
        Whether it came to its end; after Ctrl-C the weights from the training rows stay.
    """
    assert fitted.options is not None
    options, record = fitted.options, fitted.record
    epochs = record["training"]["best_epoch"]
    ids = TokenIds(
        np.concatenate([tokens.train.values, tokens.dev.values]),
        np.concatenate([tokens.train.offsets, tokens.train.offsets[-1] + tokens.dev.offsets[1:]]),
    )
    labels = np.concatenate([prepared.train.labels, prepared.dev.labels])
    scope, device_count = devices.distribution(run.config.device.devices)
    batches = _batches(run, ids, labels, tokens, options, device_count)
    vectors = start.load_vectors(run.config.text.vectors, tokens, run.say) if run.config.text.vectors else None
    states = run.places.work.path / CHECKPOINTS / f"{fitted.name}-{REFIT}"
    run.say(f"{fitted.name}: once more, on training and dev rows, {epochs} epochs")
    with scope:
        network, _ = _network(run, prepared, record, options, vectors)
        outcome = _train(run, prepared, network, batches, None, options, states, until=epochs)
        if outcome.interrupted:
            return False
        save_weights(network, run.places.work.weights(record))
    record["training"]["refit_seconds"] = round(outcome.seconds, 1)
    return True


def predict(network: Any, ids: TokenIds, widths: tuple[int, ...]) -> np.ndarray:
    """Logits of rows, exactly: float32 (rows, classes)."""
    from kerasnlp_kit.tasks.classification import predict_logits
    from kerasnlp_kit.training.batches import Batches

    plan = Batches(ids, np.zeros(len(ids), "int32"), EVALUATION_BATCH, widths).plan(0)
    with devices.exact():
        return predict_logits(network, ids, plan)


def _batches(
    run: Run[RunConfig], ids: TokenIds, labels: np.ndarray, tokens: Tokens, options: TrainingOptions, device_count: int
) -> "Batches":
    from kerasnlp_kit.training.batches import Batches

    return Batches(
        ids,
        labels,
        options.batch_size,
        tokens.widths,
        weights=_row_weights(run, labels, tokens.sizes.classes),
        multiple=device_count,
        seed=options.seed,
    )


def _network(
    run: Run[RunConfig],
    prepared: Prepared,
    record: Mapping[str, Any],
    options: TrainingOptions,
    vectors: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[Any, list[str]]:
    """A network as it is before the first step, and the names of its frozen layers."""
    devices.seed_everything(options.seed)
    with devices.precision(options.mixed_precision):
        network = build_network(record)
    if run.earlier:
        start.put_earlier_weights(network, prepared.label_names, run.earlier, run.say)
    if vectors:
        start.put_vectors(network, *vectors)
    return network, start.freeze(network, run.config.start.freeze)


def _train(
    run: Run[RunConfig],
    prepared: Prepared,
    network: Any,
    train_batches: "Batches",
    dev_batches: "Batches | None",
    options: TrainingOptions,
    states: Path,
    history: Path | None = None,
    until: int | None = None,
) -> Any:
    from kerasnlp_kit.training.loop import train

    return train(
        network,
        train_batches,
        dev_batches,
        *_loss_and_metric(prepared, options),
        options,
        states,
        history=history,
        until=until,
    )


def _loss_and_metric(prepared: Prepared, options: TrainingOptions) -> tuple[Any, Any]:
    import keras

    from kerasnlp_kit.tasks.classification import BinaryCrossEntropy, MicroF1, SmoothedCrossEntropy

    if prepared.multi_label:
        return BinaryCrossEntropy(options.label_smoothing), MicroF1(name="f1")
    return SmoothedCrossEntropy(options.label_smoothing), keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def save_weights(network: Any, path: Path) -> None:
    """Saves the weights once there is room for them: on a full disk HDF5 brings the process down."""
    block = bytes(2**20)
    size = 4 * network.count_params()
    temporary = path.with_name(f".partial-{path.name}")
    with temporary.open("wb") as file:
        for _ in range(0, size + len(block), len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    temporary.unlink()
    network.save_weights(temporary)
    temporary.replace(path)
