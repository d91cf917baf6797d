"""The training of a model that learns texts, from the file to the proven model folder."""

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kerasnlp_kit import registry
from kerasnlp_kit.api.autoencoding_steps import AutoencodingSteps
from kerasnlp_kit.api.language_steps import LanguageSteps
from kerasnlp_kit.api.places import claim
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.api.run import Run, TrainedModel
from kerasnlp_kit.api.text_documents import text_card, text_plan, text_record
from kerasnlp_kit.api.text_preparation import TextData, TextTokens, read_text_data, tokenize_texts
from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.api.token_fitting import fit_network, network_part
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.constants import MOST_ANNEALED
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.evaluation.language import LanguageScores
from kerasnlp_kit.evaluation.language_report import LanguageReportData, write_language_report
from kerasnlp_kit.training import devices

Steps = LanguageSteps | AutoencodingSteps


def run_text_training(
    config: TextConfig, *, resume: bool = False, say: Say = print, temporary: bool = False
) -> TrainedModel:
    """Trains, exports, proves and documents a language model or an autoencoder.

    Everything is written to ``models/NAME.unfinished``, which becomes ``models/NAME`` once it is proven.

    Args:
        config: all options.
        resume: continue the unfinished run of this name.
        say: told what goes on, line by line.
        temporary: whether the folder of models goes with the caller.

    Raises:
        UserError: see `read_text_data` and `tokenize_texts`; the name exists; nothing to resume.
        ExportMismatch: the SavedModel does not say what the model in memory says.
    """
    begin = time.perf_counter()
    with claim(config, resume, temporary=temporary) as places:
        run = Run(config, registry.find(config.model), places, None, resume, say)
        run.say_unread()
        data = read_text_data(config, say)
        if config.training.tensorboard:
            devices.require_package("tensorboard", "--tensorboard")
        devices.choose_backend(config.device.backend, config.device.devices)
        with places.finishing(resume, say):
            trained = _all_steps(run, data, begin)
    return trained


def _all_steps(run: Run[TextConfig], data: TextData, begin: float) -> TrainedModel:
    tokens = _begin(run, data)
    kind: type[LanguageSteps] | type[AutoencodingSteps]
    kind = LanguageSteps if run.spec.task == "language_model" else AutoencodingSteps
    steps = kind(run, tokens)
    facts = _fit(run, data, tokens, steps)
    parts = {data.dev_name: data.dev} | ({data.test_name: data.test} if data.test and data.test_name else {})
    steps.export(parts)
    samples = steps.samples(run.config.training.samples)
    scorer = TextScorer(tokens.tokenizer, list(data.train.texts))
    scores = {
        name: steps.scores(scorer, name, list(one.texts), samples if name == list(parts)[-1] else ())
        for name, one in parts.items()
    }
    final = run.places.final.path
    saved_model = final / "saved_model" / str(run.places.version)
    load = steps.how_to_load(saved_model)
    seconds = time.perf_counter() - begin
    facts.update(run.closing_facts(seconds, tested=data.test is not None))
    _document(run, data, steps, scores, parts, samples, facts, load)
    metrics = {name: one.metrics for name, one in scores.items()}
    return TrainedModel(final, saved_model, final / "report.html", metrics, scores, load, seconds)


def _begin(run: Run[TextConfig], data: TextData) -> TextTokens:
    """run.json and tokenizer of this run; on a resume those of the start, if the data are still the same."""
    work, saved = run.places.work, None
    if run.resume:
        run.take_record(data.files())
        saved = work.text_tokenizer(run.record["parts"][0])
    else:
        run.record.update(text_record(run.config, run.spec, data))
        shutil.rmtree(work.path, ignore_errors=True)
        (work.path / "weights").mkdir(parents=True)
    tokens = tokenize_texts(run.config, data, saved)
    if not run.resume:
        name = "text" + tokens.tokenizer.file_ending
        (work.path / name).write_bytes(tokens.tokenizer.save())
        run.record["parts"] = [network_part(run, tokens.sizes, {"text": name}, tokens.tokenizer.library)]
        run.write_record()
    return tokens


def _fit(run: Run[TextConfig], data: TextData, tokens: TextTokens, steps: Steps) -> dict[str, str]:
    """Trains the network and writes its weights, or continues from its checkpoint; what the report says of it."""
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
    from kerasnlp_kit.training.text_batches import TextBatches

    options = run.config.training
    compiled = options.jit or run.config.device.backend == "jax"
    batches = TextBatches(steps.training_rows(), options.batch_tokens, options.seed, 16 if compiled else 1)
    (part,) = run.record["parts"]
    if part["architecture"].get("anneal_steps", 0) is None:
        # In a short training the weight of the divergence would else not rise to the end.
        part["architecture"]["anneal_steps"] = max(1, min(MOST_ANNEALED, len(batches) * options.epochs // 3))
        run.write_record()
    facts = fit_network(
        run,
        batches,
        TokenCrossEntropy(options.label_smoothing),
        steps.measures(),
        lambda parameters, device: text_plan(data, tokens, steps.longer_texts, run.spec.name, parameters, device),
    )
    return {"model": facts.pop("model"), "tokens": tokens.reason, **facts}


def _document(
    run: Run[TextConfig],
    data: TextData,
    steps: Steps,
    scores: Mapping[str, LanguageScores],
    parts: Mapping[str, Examples],
    samples: Sequence[str],
    facts: dict[str, str],
    load: str,
) -> None:
    """Writes everything that describes the model, and the manifest over all."""
    work, name, record = run.places.work, run.places.final.path.name, run.record
    data_name, last = list(scores.items())[-1]
    training = record["parts"][0]["training"]
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    run.write_record()
    work.write_json("metrics.json", {part: one.to_json() for part, one in scores.items()})
    shown = run.config.output.texts
    write_language_report(
        work.path / "report.html",
        LanguageReportData(
            title=name,
            subtitle=f"{run.spec.name}, trained on {data.train.source}: {len(data.train):,} texts",
            facts=facts,
            data_name=data_name,
            scores=last,
            texts=list(parts[data_name].texts) if shown else None,
            samples=samples if shown else None,
            sections=steps.sections(data_name, parts[data_name], shown),
            history=training["history"],
            best_epoch=training["best_epoch"],
            warnings=data.train.notes,
            how_to_load=load,
        ),
    )
    card = text_card(name, record, scores, facts, load, steps.what_it_does, steps.signatures())
    work.write_text("MODEL_CARD.md", card)
    work.write_manifest()
