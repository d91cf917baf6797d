"""One training run, from the file to the proven model folder."""

import dataclasses
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api import start
from kerasnlp_kit.api.documents import how_to_load, model_card, plan_lines, run_record
from kerasnlp_kit.api.places import Places, claim
from kerasnlp_kit.api.preparation import Data, Prepared, Say, prepare, read_data
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.errors import ExportMismatch, UserError
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, classification_metrics
from kerasnlp_kit.evaluation.report import ReportData, write_report
from kerasnlp_kit.export.folder import CHECKPOINTS, WEIGHTS, ModelFolder, build_network
from kerasnlp_kit.training import devices
from kerasnlp_kit.training.checkpoint import checkpoints

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class TrainedModel:
    """What a run made.

    Attributes:
        folder: models/NAME.
        saved_model: models/NAME/saved_model/VERSION.
        report: models/NAME/report.html.
        metrics: of the SavedModel itself, by the name of the data; the last one is that of the test file, if given.
        seconds: of the whole run.
    """

    folder: Path
    saved_model: Path
    report: Path
    metrics: Mapping[str, ClassificationMetrics]
    seconds: float


@dataclass(frozen=True)
class _Run:
    """What all steps of a run share."""

    config: RunConfig
    spec: registry.ModelSpec
    places: Places
    earlier: ModelFolder | None
    resume: bool
    say: Say


def run_training(config: RunConfig, *, resume: bool = False, say: Say = print) -> TrainedModel:
    """Trains, exports, proves and documents a classifier.

    Everything is written to ``models/NAME.unfinished``, which becomes ``models/NAME`` once it is proven.

    Args:
        config: all options.
        resume: continue the unfinished run of this name.
        say: told what goes on, line by line.

    Raises:
        UserError: see `prepare`; the name exists; nothing to resume; options that do not fit the earlier model.
        ExportMismatch: the SavedModel does not answer as the model in memory.
    """
    begin = time.perf_counter()
    with claim(config, resume) as places:
        earlier = ModelFolder(Path(config.start.from_model)) if config.start.from_model else None
        if earlier:
            earlier.verify()
            start.require_same_text(config, earlier)
        run = _Run(config, registry.find(config.model), places, earlier, resume, say)
        data = read_data(config, say)
        if config.training.tensorboard:
            devices.require_package("tensorboard", "--tensorboard")
        devices.choose_backend(config.device.backend, config.device.devices)
        try:
            trained = _all_steps(run, data, begin)
        except BaseException:
            work, final = places.work.path, places.final.path
            if checkpoints(work / CHECKPOINTS):
                say(f"{work} keeps what was reached; --resume {final} continues from there.")
            elif not resume:
                shutil.rmtree(work, ignore_errors=True)  # nothing in it that could be continued
            raise
        places.put()
    return trained


def _all_steps(run: _Run, data: Data, begin: float) -> TrainedModel:
    """All steps, up to the finished folder under its unfinished name."""
    prepared = _prepare(run, data)
    record = _record(run, prepared)
    facts = _train(run, prepared, record)
    scores, probabilities = _export(run, prepared, record)
    final = run.places.final.path
    saved_model = final / "saved_model" / str(run.places.version)
    seconds = time.perf_counter() - begin
    facts["whole run"] = f"{seconds:.0f} s"
    facts["SavedModel"] = f"{run.places.work.size() / 1e6:.1f} MB"
    _document(run, prepared, record, facts, scores, probabilities, saved_model)
    return TrainedModel(final, saved_model, final / "report.html", scores, seconds)


def _prepare(run: _Run, data: Data) -> Prepared:
    from kerasnlp_kit.text.tokenizer import Tokenizer

    source = run.places.work if run.resume else run.earlier
    tokenizer, max_length = None, None
    if source:
        tokenizer = Tokenizer.from_json((source.path / "tokenizer.json").read_text(encoding="utf-8"))
        max_length = source.run()["sizes"]["max_length"]
    return prepare(run.config, data, run.say, tokenizer, max_length)


def _record(run: _Run, prepared: Prepared) -> dict[str, Any]:
    """run.json of this run; on a resume that of the start, if the data are still the same."""
    if run.resume:
        record = run.places.work.run()
        for part, now in (("train", prepared.train), ("dev", prepared.dev)):
            before = record["data"][part]
            if (before["fingerprint"], before["rows"]) != (now.examples.fingerprint, len(now.labels)):
                raise UserError(f"{before['source']} is not what it was when the run began; start it anew.")
        return record
    architecture = dataclasses.asdict(run.config.architecture)
    record = run_record(run.config, run.spec, architecture, prepared, start.ancestry(run.earlier))
    shutil.rmtree(run.places.work.path, ignore_errors=True)
    (run.places.work.path / "weights").mkdir(parents=True)
    (run.places.work.path / "tokenizer.json").write_text(
        prepared.tokenizer.to_json(ensure_ascii=False), encoding="utf-8"
    )
    run.places.work.write_json("labels.json", list(prepared.label_names))
    return record


def _train(run: _Run, prepared: Prepared, record: dict[str, Any]) -> dict[str, str]:
    """Finds the weights and saves them; returns facts for the report."""
    from kerasnlp_kit.tasks.classification import SmoothedCrossEntropy
    from kerasnlp_kit.training.batches import Batches
    from kerasnlp_kit.training.loop import train
    from kerasnlp_kit.training.optimization import balanced_weights

    options, sizes, say = run.config.training, prepared.sizes, run.say
    devices.seed_everything(options.seed)
    vectors = None
    # Also on a resume: a run that was killed before its first checkpoint begins with them again.
    if run.config.text.vectors and not checkpoints(run.places.work.path / CHECKPOINTS):
        vectors = start.load_vectors(run.config.text.vectors, prepared, say)
        # In both places: a model that starts from this one reads the options.
        record["architecture"]["embedding_dim"] = record["options"]["embedding_dim"] = vectors[0].shape[1]
    if not run.resume:
        run.places.work.write_json("run.json", record)
    scope, device_count = devices.distribution(run.config.device.devices)
    widths = _widths(prepared)
    labels = prepared.train.labels
    train_batches = Batches(
        prepared.train.ids,
        labels,
        options.batch_size,
        widths,
        weights=balanced_weights(labels, sizes.classes) if options.class_weights else None,
        multiple=device_count,
        seed=options.seed,
    )
    dev_batches = Batches(prepared.dev.ids, prepared.dev.labels, EVALUATION_BATCH, widths, multiple=device_count)
    for part, batches in (("training", train_batches), ("dev", dev_batches)):
        if not len(batches):
            raise UserError(f"There are fewer {part} rows than the {device_count} devices that share a batch.")
    with scope:
        with devices.precision(options.mixed_precision):
            network = build_network(record)
        if run.earlier:
            start.put_earlier_weights(network, prepared.label_names, run.earlier, say)
        if vectors:
            start.put_vectors(network, *vectors)
        frozen = start.freeze(network, run.config.start.freeze)
        parameters = network.count_params()
        device = devices.describe_device() + f", {run.config.device.backend}"
        say("")
        for line in plan_lines(prepared, run.spec, parameters, device, widths):
            say(line)
        if frozen:
            say(f"frozen     {', '.join(frozen)}")
        say("")
        outcome = train(
            network,
            train_batches,
            dev_batches,
            SmoothedCrossEntropy(options.label_smoothing),
            options,
            run.places.work.path,
        )
        _save_weights(network, run.places.work.path / WEIGHTS)
    record["training"] = {
        "history": dict(outcome.history),
        "best_epoch": outcome.best_epoch,
        "seconds": round(outcome.seconds, 1),
        "interrupted": outcome.interrupted,
        "parameters": parameters,
    }
    epochs = len(outcome.history.get("loss", ()))
    return {
        "model": run.spec.name,
        "parameters": f"{parameters:,}",
        "training": f"{outcome.seconds:.0f} s, {epochs} epochs, best {outcome.best_epoch}"
        + (", ended by Ctrl-C" if outcome.interrupted else ""),
        "device": device,
        "seed": str(options.seed),
    }


def _save_weights(network: Any, path: Path) -> None:
    """Saves the weights once there is room for them: on a full disk HDF5 brings the process down."""
    block = bytes(2**20)
    size = 4 * network.count_params()
    with path.open("wb") as file:
        for _ in range(0, size + len(block), len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    network.save_weights(path)


def _export(
    run: _Run, prepared: Prepared, record: dict[str, Any]
) -> tuple[dict[str, ClassificationMetrics], dict[str, np.ndarray]]:
    """Writes the SavedModel, proves it, and scores it."""
    from kerasnlp_kit.export.saved_model import export_saved_model
    from kerasnlp_kit.export.verify import HARD_TEXTS, IDS_ROWS, prove
    from kerasnlp_kit.tasks.classification import predict_probabilities
    from kerasnlp_kit.text.padding import pad_rows
    from kerasnlp_kit.text.tokenizer_graph import to_bytes
    from kerasnlp_kit.training.batches import Batches

    parts = [part for part in (prepared.dev, prepared.test) if part]
    texts = list(HARD_TEXTS)
    for part in parts:
        texts.extend(map(to_bytes, part.examples.texts))
    if run.config.output.new_version and run.places.final.path.exists():
        shutil.copytree(run.places.final.path / "saved_model", run.places.work.path / "saved_model", dirs_exist_ok=True)
    run.say("Exporting the SavedModel, then asking it in a fresh process ...")
    # The weights file, in float32: what is proven is what is shipped, also after training in 16 bits.
    with devices.exact():
        network = run.places.work.build_network()
    ids = prepared.tokenizer.encode(texts, prepared.sizes.max_length)
    plan = Batches(ids, np.zeros(len(ids), "int32"), EVALUATION_BATCH, _widths(prepared)).plan(0)
    with devices.exact():
        expected = predict_probabilities(network, ids, plan)
    if not np.isfinite(expected).all():
        raise UserError("Training diverged: the model gives no numbers. Lower --learning-rate, or keep --clip-norm.")
    saved_model = export_saved_model(run.places.work, run.places.version)
    some = pad_rows(ids, np.arange(min(IDS_ROWS, len(ids))), prepared.sizes.max_length)
    found = prove(saved_model, texts, some, expected, prepared.label_names)
    run.say(f"The SavedModel answers {len(texts):,} texts as the model in memory does.")
    majority = max(record["data"]["classes"], key=record["data"]["classes"].get)
    scores, probabilities = {}, {}
    begin = len(HARD_TEXTS)
    for part in parts:
        probabilities[part.name] = found[begin : begin + len(part.labels)]
        begin += len(part.labels)
        scores[part.name] = classification_metrics(
            part.gold(), probabilities[part.name], prepared.label_names, majority_label=majority
        )
    _require_trained_accuracy(run, prepared, record, scores[prepared.dev.name].accuracy)
    return scores, probabilities


def _require_trained_accuracy(run: _Run, prepared: Prepared, record: dict[str, Any], accuracy: float) -> None:
    """Compares the SavedModel's dev accuracy with that which the training loop saw after the best epoch.

    The proof takes its weights from the file; this one notices a wrong file. Devices that share batches leave dev rows
    out, and 16 bits round: then the two need not be equal.
    """
    training = record["training"]
    if run.config.device.devices not in (None, 1) or run.config.training.mixed_precision:
        return
    seen = training["history"]["val_accuracy"][training["best_epoch"] - 1]
    if abs(seen - accuracy) * len(prepared.dev.labels) > 2.5:
        raise ExportMismatch(f"The SavedModel's dev accuracy is {accuracy:.4f}; the training loop saw {seen:.4f}.")


def _widths(prepared: Prepared) -> tuple[int, ...]:
    """Widths of the batches in training and proof; the last one holds all that the model reads of a text."""
    from kerasnlp_kit.training.batches import bucket_widths

    longest = prepared.sizes.max_length
    widths = bucket_widths(np.minimum(prepared.train.ids.lengths, longest))
    return widths if widths[-1] == longest else (*widths, longest)


def _document(
    run: _Run,
    prepared: Prepared,
    record: dict[str, Any],
    facts: dict[str, str],
    scores: Mapping[str, ClassificationMetrics],
    probabilities: Mapping[str, np.ndarray],
    saved_model: Path,
) -> None:
    """Writes everything that describes the model, and the manifest over all."""
    work, name = run.places.work, run.places.final.path.name
    part = prepared.test or prepared.dev
    load = how_to_load(saved_model)
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    training = record["training"]
    work.write_json("run.json", record)
    work.write_json("metrics.json", {data: score.to_json() for data, score in scores.items()})
    warnings = [f"{prepared.cut:,} training texts are longer than the model reads."] if prepared.cut else []
    write_report(
        work.path / "report.html",
        ReportData(
            title=name,
            subtitle=f"{run.spec.name}, trained on {prepared.train.examples.source}: "
            f"{len(prepared.train.labels):,} rows, {len(prepared.label_names)} classes",
            facts=facts,
            data_name=part.name,
            metrics=scores[part.name],
            probabilities=probabilities[part.name],
            gold=part.gold(),
            texts=part.examples.texts if run.config.output.texts else None,
            token_lengths=prepared.train.ids.lengths,
            max_length=prepared.sizes.max_length,
            history=training["history"],
            best_epoch=training["best_epoch"],
            warnings=[*prepared.train.examples.notes, *warnings],
            how_to_load=load,
        ),
    )
    (work.path / "MODEL_CARD.md").write_text(model_card(name, record, scores, facts, load), encoding="utf-8")
    work.write_manifest()
