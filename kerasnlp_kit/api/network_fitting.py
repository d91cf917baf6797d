"""Fits networks that classify: on the training rows, and at the end on all rows."""

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kerasnlp_kit.api import start
from kerasnlp_kit.api.documents import network_lines
from kerasnlp_kit.api.fitted import Fitted, row_weights
from kerasnlp_kit.api.preparation import Prepared, Tokens
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import RunConfig, TrainingOptions
from kerasnlp_kit.constants import NETWORK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import CHECKPOINTS, build_network
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

if TYPE_CHECKING:
    from kerasnlp_kit.training.batches import Batches

EVALUATION_BATCH = 256
EVALUATION_COST = 1.3  # what dev rows, checkpoints and slower steps than the fastest add to an epoch
Repeated = Literal["repeated", "interrupted", "diverged"]
REFIT = "refit"  # end of the name of the checkpoints' folder


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
    from kerasnlp_kit.training.loop import giving_up_if

    work = run.places.work
    states = work.path / CHECKPOINTS / model
    record: dict[str, Any] = {
        "name": model,
        "kind": NETWORK,
        **_layers(model, architecture, tokens),
        "widths": list(tokens.widths),
        "scale": 1.0,
    }
    if tokens.vectors and "embedding_dim" in run.record["options"]:  # which auto has not
        # A model that starts from this one reads the options.
        run.record["options"]["embedding_dim"] = record["architecture"]["embedding_dim"]
    scope, device_count = devices.distribution(run.config.device.devices)
    _require_as_many_devices(run, device_count)
    if not run.resume:
        run.write_record()
    train_batches = _batches(run, tokens.train, prepared.train.labels, tokens, options, device_count)
    dev_batches = Batches(
        tokens.dev, prepared.dev.labels, EVALUATION_BATCH, tokens.widths, multiple=device_count, fewer_of_long=True
    )
    for part, batches in (("training", train_batches), ("dev", dev_batches)):
        if not len(batches):
            raise UserError(f"There are fewer {part} rows than the {device_count} devices that share a batch.")
    with scope:
        network, frozen = _network(run, prepared, record, options, tokens)
        parameters = network.count_params()
        device = devices.describe_device(device_count) + f", {run.config.device.backend}"
        for line in network_lines(tokens, model, parameters, device):
            run.say(line)
        if frozen:
            run.say(f"frozen     {', '.join(frozen)}")
        run.say("")
        history = work.path / ("history.csv" if model == run.spec.name else f"history-{model}.csv")
        outcome = _train(run, prepared, network, train_batches, dev_batches, options, states, history)
        with giving_up_if(outcome.interrupted):
            save_weights(network, work.weights(record))
            values = network.get_weights()
    with giving_up_if(outcome.interrupted):
        # By a copy as it is exported: several devices would each answer every batch, and 16 bits round.
        with devices.exact():
            exported = build_network(record, portable=True)
            exported.set_weights(values)
        dev_scores = predict(exported, tokens.dev, tokens.widths)
    record["training"] = {**outcome.record(), "parameters": parameters}
    outcome.tell_best(run.say)
    facts = {
        model: f"{parameters:,} parameters; {outcome.line()}",
        "device": device,
        "seed": str(options.seed),
    }
    return Fitted(record, dev_scores, options, facts)


def seconds_an_epoch(
    run: Run[RunConfig], prepared: Prepared, tokens: Tokens, model: str, architecture: Any, options: TrainingOptions
) -> float:
    """How long an epoch will take: a few steps of each width are timed, with a network that is thrown away."""
    import keras

    from kerasnlp_kit.training.loop import compile_model
    from kerasnlp_kit.training.optimization import make_optimizer

    record = _layers(model, architecture, tokens)
    scope, device_count = devices.distribution(run.config.device.devices)
    batches = _batches(run, tokens.train, prepared.train.labels, tokens, options, device_count)
    plan = batches.plan(0)
    widths = [width for width, _ in plan]
    total = 0.0
    with scope:
        network, _ = _network(run, prepared, record, options, tokens)
        loss, metric = _loss_and_metric(prepared, options)
        compile_model(network, make_optimizer(options, 1), loss, metric, options)
        for width in sorted(set(widths)):
            (batch,) = batches.batches([next(batch for batch in plan if batch[0] == width)])
            if keras.backend.backend() == "tensorflow":
                # Unlike `fit`, it gives each device the whole batch.
                batch = tuple(part[: len(part) // device_count] for part in batch)
            times = []
            for _ in range(3):  # the first one also compiles
                begin = time.perf_counter()
                network.train_on_batch(*batch)
                times.append(time.perf_counter() - begin)
            total += min(times) * widths.count(width)
    return total * EVALUATION_COST


def refit_network(run: Run[RunConfig], prepared: Prepared, tokens: Tokens, fitted: Fitted) -> Repeated:
    """Trains it once more from the start, on training and dev rows, up to the epoch that was best on dev.

    Returns:
        How it ended; the weights from the training rows stay after Ctrl-C, and if the new ones are no numbers.
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
    states = run.places.work.path / CHECKPOINTS / f"{fitted.name}-{REFIT}"
    run.say(f"{fitted.name}: once more, on training and dev rows, {epochs} epochs")
    with scope:
        network, _ = _network(run, prepared, record, options, tokens)
        outcome = _train(run, prepared, network, batches, None, options, states, until=epochs)
        if outcome.interrupted:
            return "interrupted"
        if not all(np.isfinite(value).all() for value in network.get_weights()):
            run.say(f"{fitted.name}: diverged; the weights from the training rows stay")
            return "diverged"
        save_weights(network, run.places.work.weights(record))
    record["training"]["refit_seconds"] = round(outcome.seconds, 1)
    return "repeated"


def predict(network: Any, ids: TokenIds, widths: tuple[int, ...]) -> np.ndarray:
    """Logits of rows, exactly: float32 (rows, classes)."""
    from kerasnlp_kit.tasks.classification import predict_logits
    from kerasnlp_kit.training.batches import Batches

    labels = np.zeros(len(ids), "int32")
    plan = Batches(ids, labels, EVALUATION_BATCH, widths, fewer_of_long=True).plan(0)
    with devices.exact():
        return predict_logits(network, ids, plan)


def _require_as_many_devices(run: Run[RunConfig], count: int) -> None:
    """A run that is resumed has its place in batches that were cut for the devices of its start."""
    before = run.record.setdefault("devices", count)
    if before != count:
        raise UserError(
            f"The run began on {before} devices, and is on {count} now: resume it on {before}, or start it anew."
        )


def _layers(model: str, architecture: Any, tokens: Tokens) -> dict[str, Any]:
    """What a network is built by; word vectors that are given say how many dimensions they have."""
    values = dataclasses.asdict(architecture)
    if tokens.vectors:
        values["embedding_dim"] = tokens.vectors[0].shape[1]
    return {"model": model, "architecture": values, "sizes": dataclasses.asdict(tokens.sizes)}


def _batches(
    run: Run[RunConfig], ids: TokenIds, labels: np.ndarray, tokens: Tokens, options: TrainingOptions, device_count: int
) -> "Batches":
    from kerasnlp_kit.training.batches import Batches

    return Batches(
        ids,
        labels,
        options.batch_size,
        tokens.widths,
        weights=row_weights(run, labels, tokens.sizes.classes),
        multiple=device_count,
        seed=options.seed,
    )


def _network(
    run: Run[RunConfig],
    prepared: Prepared,
    record: Mapping[str, Any],
    options: TrainingOptions,
    tokens: Tokens,
) -> tuple[Any, list[str]]:
    """A network as it is before the first step, and the names of its frozen layers."""
    devices.seed_everything(options.seed, jit=options.jit)
    with devices.precision(options.mixed_precision):
        # XLA compiles none of cuDNN's operations.
        network = build_network(record, portable=options.jit)
    if run.earlier:
        start.put_earlier_weights(network, record["model"], prepared.label_names, run.earlier, run.say)
    if tokens.vectors:
        start.put_vectors(network, *tokens.vectors)
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
