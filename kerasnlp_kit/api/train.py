"""One training run, from the file to the proven model folder."""

import dataclasses
import functools
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api import start
from kerasnlp_kit.api.documents import data_lines, how_to_load, model_card, run_record, trained_on_dev
from kerasnlp_kit.api.finish import before_refit, export, refit, wanted_thresholds
from kerasnlp_kit.api.fitted import Fitted
from kerasnlp_kit.api.ladder import climb, rungs
from kerasnlp_kit.api.linear_fitting import WEIGHTS_FACT, fit_linear
from kerasnlp_kit.api.mixture import Mixture, mix
from kerasnlp_kit.api.network_fitting import fit_network
from kerasnlp_kit.api.places import claim
from kerasnlp_kit.api.preparation import Data, Prepared, Say, Tokens, prepare, read_data, tokenize
from kerasnlp_kit.api.run import Run, TrainedModel
from kerasnlp_kit.api.scoring import Scores, characters, learning_curve, report_fields, report_gold
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.data.doctor import quick_check
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.calibration import answers_calibration_error
from kerasnlp_kit.evaluation.decision import (
    accepted,
    cross_fitted_thresholds,
    f1_thresholds,
    operating_point,
)
from kerasnlp_kit.evaluation.ladder import Rung, ladder_table
from kerasnlp_kit.evaluation.report import ReportData, write_report
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.export.folder import BASELINE, ModelFolder
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.training import devices

BASELINE_STRENGTHS = (1.0,)  # the classic's default
FEW_ANSWERS = 20  # dev rows with the same answer, whose precision is mostly chance
# What a linear model reads, too, or refuses.
READ_OF_TEXT = ("lower", "vectors")
READ_OF_TRAINING = ("seed", "class_weights", "refit")


def run_training(config: RunConfig, *, resume: bool = False, say: Say = print, temporary: bool = False) -> TrainedModel:
    """Trains, exports, proves and documents a classifier.

    Everything is written to ``models/NAME.unfinished``, which becomes ``models/NAME`` once it is proven.

    Args:
        config: all options.
        resume: continue the unfinished run of this name.
        say: told what goes on, line by line.
        temporary: whether the folder of models goes with the caller.

    Raises:
        UserError: see `prepare`; the name exists; nothing to resume; options that do not fit the earlier model.
        ExportMismatch: the SavedModel does not answer as the model in memory.
    """
    begin = time.perf_counter()
    with claim(config, resume, temporary=temporary) as places:
        earlier = ModelFolder(home_filled_in(config.start.from_model)) if config.start.from_model else None
        if earlier:
            earlier.verify()
            start.require_same_text(config, earlier)
        run = Run(config, registry.find(config.model), places, earlier, resume, say)
        _require_sense(run)
        data = read_data(config, say)
        for line in quick_check(data.train, data.dev, data.test):
            say(printable(f"doctor: {line}"))
        if config.training.tensorboard:
            devices.require_package("tensorboard", "--tensorboard")
        devices.choose_backend(config.device.backend, config.device.devices)
        with places.finishing(resume, say):
            trained = _all_steps(run, data, begin)
    return trained


def _all_steps(run: Run[RunConfig], data: Data, begin: float) -> TrainedModel:
    """All steps, up to the finished folder under its unfinished name."""
    prepared = prepare(data, run.say)
    _begin_record(run, prepared)
    run.say("")
    for line in data_lines(prepared):
        run.say(line)
    tokens_once = functools.cache(functools.partial(_tokenize, run, prepared))
    mixture, tried, repeat = _fit(run, prepared, tokens_once, begin)
    if tried:
        score_name = "micro-F1" if prepared.multi_label else "accuracy"
        run.say(f"\n{ladder_table(tried, score_name)}\n")
    dev_scores, record = _decide(run, prepared, mixture)
    of_baseline = _fit_baseline(run, prepared, mixture)
    before = before_refit(run, prepared, mixture, dev_scores)
    refitted = refit(run, prepared, mixture, tokens_once, repeat)
    record["decision"]["refit"] = refitted
    scores = export(run, prepared, mixture, before, refitted)
    final = run.places.final.path
    saved_model = final / "saved_model" / str(run.places.version)
    seconds = time.perf_counter() - begin
    facts = {"model": run.spec.name if mixture.name == run.spec.name else f"{run.spec.name}: {mixture.name}"}
    for part in mixture.parts:
        facts.update(part.facts)
    facts.update(of_baseline)
    if refitted:
        names = " and ".join(trained_on_dev(run.record["parts"]))
        facts["dev rows"] = f"in the end {names} learnt from them, too; the figures on dev are of the model before"
    facts.update(run.closing_facts(seconds, tested=prepared.test is not None))
    tokens = tokens_once() if mixture.networks else None
    _drop_losers(run.places.work, mixture)
    _document(run, prepared, mixture, tokens, facts, scores, tried, saved_model)
    metrics = {name: one.metrics for name, one in scores.items()}
    load = how_to_load(saved_model, multi_label=prepared.multi_label)
    return TrainedModel(final, saved_model, final / "report.html", metrics, scores, load, seconds, tuple(tried))


def _require_sense(run: Run[RunConfig]) -> None:
    """Options that cannot be meant together are told before the data are read."""
    run.say_unread()
    if run.spec.kind == "rungs":
        rungs(run)
    if run.spec.kind != "rules":
        return
    unread = [flag_of(name) for name in _unread_by_rules(run)]
    if unread:
        run.say(f"note: {run.spec.name} is no network: nothing is changed by {', '.join(unread)}.")
    start_options = run.config.start
    given = {
        "--from": start_options.from_model,
        "--freeze": start_options.freeze,
        "--vectors": run.config.text.vectors,
    }
    for flag, value in given.items():
        if value:
            raise UserError(f"{flag} is for networks; {run.spec.name} is none. Leave it out, or name another --model.")


def _unread_by_rules(run: Run[RunConfig]) -> list[str]:
    """Options, not as they are by default, that only networks read."""
    config, defaults = run.config, run.spec.defaults
    groups = ((config.text, READ_OF_TEXT), (config.training, READ_OF_TRAINING), (config.device, ()))
    return [
        field.name
        for group, read in groups
        for field in dataclasses.fields(group)
        if field.name not in read and getattr(group, field.name) != defaults.get(field.name, field.default)
    ]


def _begin_record(run: Run[RunConfig], prepared: Prepared) -> None:
    """run.json of this run; on a resume that of the start, if the data are still the same."""
    work = run.places.work
    if run.resume:
        run.take_record(prepared.files())
        return
    run.record.update(run_record(run.config, run.spec, prepared, start.ancestry(run.earlier)))
    shutil.rmtree(work.path, ignore_errors=True)
    (work.path / "weights").mkdir(parents=True)
    work.write_json("labels.json", list(prepared.label_names))


def _tokenize(run: Run[RunConfig], prepared: Prepared) -> Tokens:
    work = run.places.work
    source = work if (work.path / "tokenizer.json").exists() else run.earlier
    tokenizer, max_length = None, None
    if source:
        tokenizer = source.tokenizer()
        max_length = run.record.get("max_length") if source is work else source.network_part()["sizes"]["max_length"]
    tokens = tokenize(run.config, prepared, tokenizer, max_length)
    run.record["max_length"] = tokens.sizes.max_length
    if source is not work:
        run.write_record()  # first: a tokenizer in the folder needs the length beside it
        work.write_text("tokenizer.json", tokens.tokenizer.to_json(ensure_ascii=False))
    if path := run.config.text.vectors:
        tokens = dataclasses.replace(tokens, vectors=start.load_vectors(path, tokens.tokenizer, run.say))
    return tokens


def _fit(run: Run[RunConfig], prepared: Prepared, tokens: Any, begin: float) -> tuple[Mixture, list[Rung], list[str]]:
    """Fits what the model is made of, on the training rows; ``tokens()`` gives the token ids."""
    config = run.config
    if run.spec.kind == "rungs":
        return climb(run, prepared, tokens, begin)
    parts = config.architecture.parts() if run.spec.kind == "parts" else {run.spec.name: config.architecture}
    fitted: list[Fitted] = []
    for name, architecture in parts.items():
        if registry.find(name).kind == "rules":
            path = run.places.work.path / "weights" / f"{name}.npz"
            fitted.append(fit_linear(run, prepared, name, architecture, path))
        else:
            fitted.append(fit_network(run, prepared, tokens(), name, architecture, config.training))
    return mix(prepared, fitted, calibrate=config.decision.calibrate), [], [part.name for part in fitted]


def _decide(run: Run[RunConfig], prepared: Prepared, mixture: Mixture) -> tuple[np.ndarray, dict[str, Any]]:
    """Chooses thresholds on dev and completes run.json; returns the probabilities of the dev rows."""
    from kerasnlp_kit.export.saved_model import decision_of

    record, labels = run.record, prepared.dev.labels
    for part, scale in zip(mixture.parts, mixture.scales, strict=True):
        part.record["scale"] = scale
    record["parts"] = [part.record for part in mixture.parts]  # not copies: a refit changes what they say
    record["decision"] = {"multi_label": prepared.multi_label, "thresholds": None}
    scores = [part.dev_scores for part in mixture.parts]
    decision = decision_of(record)
    probabilities = decision.probabilities(scores).astype("float32")
    if prepared.multi_label:
        record["decision"]["thresholds"] = f1_thresholds(probabilities, labels).tolist()
    else:
        unscaled = dataclasses.replace(decision, scales=(1.0,) * len(scores)).probabilities(scores)
        for name, found in (("before", unscaled), ("after", probabilities)):
            record["decision"][f"calibration_error_{name}"] = answers_calibration_error(found, labels)
        if run.config.decision.min_precision:
            find = wanted_thresholds(run.config.decision.min_precision)
            chosen = find(probabilities, labels)
            record["decision"]["thresholds"] = chosen.tolist()
            if accepted(probabilities, chosen).any():
                answered = accepted(probabilities, cross_fitted_thresholds(probabilities, labels, find))
                point = operating_point("", answered, probabilities.argmax(axis=1) == labels)
                right = f", {point.accuracy:.1%} of these right" if point.accuracy is not None else ""
                run.say(
                    f"thresholds: on dev {point.coverage:.1%} of the texts get an answer{right} "
                    "(each by thresholds from other dev texts)"
                )
                few = np.bincount(probabilities.argmax(axis=1), minlength=len(chosen)) < FEW_ANSWERS
                if few.any():
                    run.say(
                        f"note: {few.sum()} of {len(few)} classes are the answer to fewer than {FEW_ANSWERS} dev texts "
                        "each: how precise they are can hardly be told there; give more dev rows."
                    )
            else:
                run.say(
                    "note: on dev no text gets an answer: no class reaches --min-precision there. Give more dev rows, "
                    "or a lower precision; as it is, the model leaves everything to a person."
                )
    return probabilities, record


def _fit_baseline(run: Run[RunConfig], prepared: Prepared, mixture: Mixture) -> dict[str, str]:
    """The linear model that the others are set beside; where one was tried, that one. What the report says of it."""
    target = run.places.work.path / BASELINE
    if tried := [path for path in target.parent.glob("*.npz") if path != target]:
        shutil.copyfile(tried[0], target)
        return {}
    architecture = registry.find("ngram_linear").architecture(strengths=BASELINE_STRENGTHS, try_case=False)
    facts = fit_linear(run, prepared, "ngram_linear", architecture, target).facts
    return {name: fact for name, fact in facts.items() if name == WEIGHTS_FACT}


def _document(
    run: Run[RunConfig],
    prepared: Prepared,
    mixture: Mixture,
    tokens: Tokens | None,
    facts: dict[str, str],
    scores: Mapping[str, Scores],
    tried: list[Rung],
    saved_model: Path,
) -> None:
    """Writes everything that describes the model, and the manifest over all."""
    work, name, record = run.places.work, run.places.final.path.name, run.record
    part = prepared.test or prepared.dev
    load = how_to_load(saved_model, multi_label=prepared.multi_label)
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    record["tried"] = [rung.to_json() for rung in tried]
    work.write_json("run.json", record)
    work.write_json("metrics.json", {data: score.to_json() for data, score in scores.items()})
    and_dev = f" and in the end {len(prepared.dev.labels):,} dev rows" if record["decision"].get("refit") else ""
    warnings = [f"{tokens.cut:,} training texts are longer than the network reads."] if tokens and tokens.cut else []
    write_report(
        work.path / "report.html",
        ReportData(
            title=name,
            subtitle=f"{facts['model']}, trained on {prepared.train.examples.source}: "
            f"{len(prepared.train.labels):,} rows{and_dev}, {len(prepared.label_names)} classes",
            facts=facts,
            data_name=part.name,
            gold=report_gold(part.examples),
            texts=part.examples.texts if run.config.output.texts else None,
            lengths=tokens.train.lengths if tokens else characters(prepared.train.examples),
            length_unit="tokens" if tokens else "characters",
            max_length=tokens.sizes.max_length if tokens else None,
            **learning_curve(record),
            warnings=[*prepared.train.examples.notes, *warnings],
            how_to_load=load,
            ladder=tried,
            thresholds=record["decision"]["thresholds"],
            **report_fields(scores[part.name]),
        ),
    )
    metrics = {data: one.metrics for data, one in scores.items()}
    work.write_text("MODEL_CARD.md", model_card(name, record, metrics, facts, load))
    work.write_manifest()


def _drop_losers(work: ModelFolder, mixture: Mixture) -> None:
    """Takes away what only the models use that were tried and not taken."""
    used = {work.path / BASELINE, *(work.weights(part.record) for part in mixture.parts)}
    for path in (work.path / "weights").iterdir():
        if path not in used:
            path.unlink()
    if not mixture.networks:
        (work.path / "tokenizer.json").unlink(missing_ok=True)
