"""The ladder of ``--model auto``: the linear model at once, then networks as the time allows."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.fitted import Fitted
from kerasnlp_kit.api.linear_fitting import fit_linear
from kerasnlp_kit.api.mixture import Mixture, mix
from kerasnlp_kit.api.network_fitting import fit_network, seconds_an_epoch
from kerasnlp_kit.api.preparation import Prepared, Tokens
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import RunConfig, TrainingOptions
from kerasnlp_kit.errors import GivenUp, TrainingDiverged, UserError
from kerasnlp_kit.evaluation.bootstrap import accuracy_interval
from kerasnlp_kit.evaluation.ladder import Rung
from kerasnlp_kit.evaluation.multilabel import micro_f1_interval
from kerasnlp_kit.training import devices

EXPORT_SECONDS = 20.0  # export, proof and report
LEAST_SECONDS = 10.0  # to begin another rung
TIMED_TEXTS = 20
LEAST_SHARE = 0.25  # of a network's epochs: with fewer it is not worth trying
PATIENCE = 0.3  # share of the epochs: the time of those that would be for nothing is better spent on the next rung
OF_ALL_NETWORKS = {"embedding", "logits"}  # names of layers
# Options that a rung takes from its own preset, because they belong together.
OWN = tuple(
    field.name
    for field in dataclasses.fields(TrainingOptions)
    if field.name in ("epochs", "batch_size", "learning_rate", "schedule", "warmup", "weight_decay", "patience")
)


def climb(
    run: Run[RunConfig], prepared: Prepared, tokenize: Callable[[], Tokens], begin: float
) -> tuple[Mixture, list[Rung], list[str]]:
    """Fits model after model and chooses what explains the dev rows best.

    Args:
        run: with the options of ``auto``.
        prepared: texts and labels.
        tokenize: makes the token ids; called for the first network.
        begin: `time.perf_counter` at the start of the run.

    Returns:
        What to export, all that was tried, and names of the networks that there is time to train again on all rows.

    Raises:
        UserError: see `rungs`; or the time is too short for any.
    """
    specs = rungs(run)
    end = begin + 60 * run.config.architecture.minutes - EXPORT_SECONDS
    tried: list[tuple[Mixture, Rung]] = []
    fitted: list[Fitted] = []
    diverged = stopped = False
    # In run.json, so that a resumed run does the same.
    plan: dict[str, Any] = run.record.setdefault("ladder", {"epochs": {}})
    for spec in specs:
        try:
            part = _fit_rung(run, prepared, tokenize, spec, plan, end)
            if part is None:
                continue
            if spec.kind == "rules":
                # To solve it once more on all rows, and to prove a large one.
                end -= part.record["training"]["chosen_seconds"]
            if part.sound:
                fitted.append(part)
                _try_mixtures(run, prepared, fitted, tried)
            else:
                diverged = True
                run.say(f"{spec.name}: left out; its training diverged")
        except GivenUp:
            raise
        except KeyboardInterrupt:
            # Whoever stopped a network before was told that another Ctrl-C gives up.
            if not tried or any(part.interrupted for part in fitted):
                raise
            run.say("\nStopping: the best so far is exported (Ctrl-C again: give up)")
            # A resumed run must not climb on.
            done = {part.name for part in fitted}
            plan["epochs"] |= {one.name: 0 for one in specs if one.kind != "rules" and one.name not in done}
            run.write_record()
            stopped = True
            break
        if part.interrupted:
            break
    if not tried:
        if diverged:
            raise TrainingDiverged
        raise UserError("--minutes is too short for any of the --rungs; ngram_linear needs the least.")
    # Not by accuracy: of some hundred dev rows it is mostly chance, and a mixture is rightly taken more often. And not
    # a network alone where there is a linear model: of several networks, the luckiest on dev would win.
    with_linear = [mixture for mixture, _ in tried if mixture.linear]
    best = min(with_linear or [mixture for mixture, _ in tried], key=lambda mixture: mixture.misfit)
    table = [dataclasses.replace(rung, chosen=mixture is best) for mixture, rung in tried]
    if "repeat" not in plan:
        again = run.config.training.refit and not stopped and not any(part.interrupted for part in fitted)
        plan["repeat"] = _repeated(prepared, best, end - time.perf_counter()) if again else []
        run.write_record()
    return best, table, plan["repeat"]


def _fit_rung(
    run: Run[RunConfig],
    prepared: Prepared,
    tokenize: Callable[[], Tokens],
    spec: registry.ModelSpec,
    plan: dict[str, Any],
    end: float,
) -> Fitted | None:
    """Fits one model, if there is time for it until ``end``; ``plan`` says, or is told, for how many epochs."""
    if spec.kind == "rules":
        path = run.places.work.path / "weights" / f"{spec.name}.npz"
        return fit_linear(run, prepared, spec.name, spec.architecture(), path)
    architecture, options = rung_options(run, spec)
    if spec.name not in plan["epochs"]:
        left = end - time.perf_counter()
        plan["epochs"][spec.name] = _affordable(run, prepared, tokenize, spec, architecture, options, left)
        run.write_record()
    if not (epochs := plan["epochs"][spec.name]):
        return None
    options = dataclasses.replace(options, epochs=epochs, patience=max(3, round(PATIENCE * epochs)))
    return fit_network(run, prepared, tokenize(), spec.name, architecture, options)


def _try_mixtures(
    run: Run[RunConfig], prepared: Prepared, fitted: list[Fitted], tried: list[tuple[Mixture, Rung]]
) -> None:
    """Adds to ``tried`` what the last one of ``fitted`` comes to, alone and with others."""
    for parts in _together(fitted):
        mixture = mix(prepared, parts, calibrate=run.config.decision.calibrate)
        rung = _rung(run, prepared, mixture)
        tried.append((mixture, rung))
        low, high = rung.accuracy_interval
        run.say(
            f"{rung.model}: dev {rung.accuracy:.4f} [{low:.4f}, {high:.4f}], log loss {rung.log_loss:.4f}, "
            f"{rung.seconds:.0f} s"
        )


def _together(fitted: list[Fitted]) -> list[list[Fitted]]:
    """What to try with the last one: it alone, with the linear model, with all before it."""
    linear = [part for part in fitted[:-1] if not part.is_network]
    tried = [fitted[-1:], [*linear, fitted[-1]], fitted]
    return list({tuple(part.name for part in parts): parts for parts in tried}.values())


def rung_options(run: Run[RunConfig], spec: registry.ModelSpec) -> tuple[Any, TrainingOptions]:
    """Architecture and training options of a network on the ladder: those of its preset."""
    values = spec.presets.get("strong", {})
    own = {field.name for field in dataclasses.fields(spec.architecture)}
    architecture = spec.architecture(**{name: value for name, value in values.items() if name in own})
    training = {name: value for name, value in values.items() if name in OWN}
    return architecture, dataclasses.replace(run.config.training, **training)


def rungs(run: Run[RunConfig]) -> list[registry.ModelSpec]:
    """The models to try, in this order.

    Raises:
        UserError: a rung that is no model, no rung at all, options that the rungs set for themselves.
    """
    if strange := sorted(set(run.config.start.freeze) - OF_ALL_NETWORKS):
        raise UserError(
            f"--freeze {' '.join(strange)} names layers that only some networks have: name a --model, or freeze "
            f"{' or '.join(sorted(OF_ALL_NETWORKS))}."
        )
    if run.earlier:
        raise UserError("--from fills the layers of one network: leave out --model auto, or name that network.")
    standard, training = TrainingOptions(), run.config.training
    for name in OWN:
        if getattr(training, name) != getattr(standard, name):
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"{flag} is set by each model of auto for itself: name one, such as --model cnn_classifier; or, where "
                "the data are not texts and labels, the --task."
            )
    names = run.config.architecture.rungs
    if len(set(names)) < len(names):
        raise UserError(f"--rungs takes each model once. Received: {' '.join(names)}")
    specs = [registry.find(name) for name in names]
    for spec in specs:
        if spec.kind not in ("rules", "build"):
            raise UserError(f"--rungs takes single models. Received: {spec.name}")
        if spec.task != run.spec.task:
            raise UserError(f"--rungs takes models that label texts. Received: {spec.name}")
    if not specs:
        raise UserError("--rungs needs at least one model, such as ngram_linear.")
    return specs


def _affordable(
    run: Run[RunConfig],
    prepared: Prepared,
    tokenize: Callable[[], Tokens],
    spec: registry.ModelSpec,
    architecture: Any,
    options: TrainingOptions,
    left: float,
) -> int:
    """Epochs that the time allows, 0 for none."""
    if left < LEAST_SECONDS:
        run.say(
            f"{spec.name}: no time left (--minutes {run.config.architecture.minutes:g}, of which {EXPORT_SECONDS:.0f} "
            "s are kept for the export)"
        )
        return 0
    begin = time.perf_counter()
    seconds = seconds_an_epoch(run, prepared, tokenize(), spec.name, architecture, options)
    left -= time.perf_counter() - begin
    epochs = int(min(options.epochs, left / max(seconds, 1e-9)))  # what is left may be infinite
    if epochs < LEAST_SHARE * options.epochs:
        run.say(
            f"{spec.name}: left out; an epoch takes {seconds:.0f} s, and of {options.epochs} epochs {epochs} fit into "
            f"the time left (--minutes {run.config.architecture.minutes:g})"
        )
        return 0
    return epochs


def _repeated(prepared: Prepared, mixture: Mixture, left: float) -> list[str]:
    """Networks of the mixture that there is time to train once more, on all rows up to their best epoch."""
    names = []
    for part in mixture.networks:
        training = part.record["training"]
        of_all_epochs = training["best_epoch"] / len(training["history"]["loss"])
        seconds = training["seconds"] * of_all_epochs * (1 + len(prepared.dev.labels) / len(prepared.train.labels))
        if seconds <= left:
            names.append(part.name)
            left -= seconds
    return names


def _rung(run: Run[RunConfig], prepared: Prepared, mixture: Mixture) -> Rung:
    labels = prepared.dev.labels
    if prepared.multi_label:
        interval = micro_f1_interval(labels, mixture.dev_scores > 0)
    else:
        interval = accuracy_interval(round(mixture.measure * len(labels)), len(labels))
    return Rung(
        mixture.name,
        mixture.measure,
        interval,
        mixture.loss / prepared.dev.labels.size,
        mixture.misfit,
        sum(part.record["training"]["seconds"] for part in mixture.parts),
        sum(run.places.work.weights(part.record).stat().st_size for part in mixture.parts) / 1e6,
        _latency(run, prepared, mixture),
    )


def _latency(run: Run[RunConfig], prepared: Prepared, mixture: Mixture) -> float | None:
    """Milliseconds for one text, by the graph as it is exported; None where Keras does not run on TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    from kerasnlp_kit.export.saved_model import classifier_graph

    decision = {"multi_label": prepared.multi_label, "thresholds": None}
    record = {"parts": [part.record for part in mixture.parts], "decision": decision}
    times = []
    with devices.exact():  # and not by a GPU, for which TensorFlow has no deterministic product of sparse matrices
        # Kept: its function does not keep it alive.
        graph = classifier_graph(run.places.work, record, prepared.label_names)
        classify = graph.classify.get_concrete_function()
        texts = [tf.constant([text]) for text in prepared.dev.examples.texts[:TIMED_TEXTS]]
        for text in [texts[0], *texts]:  # the first one also prepares the graph
            begin = time.perf_counter()
            classify(text)
            times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times[1:]))
