"""The training of a language model, from the file to the proven model folder."""

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.places import claim
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.api.run import Run, TrainedModel
from kerasnlp_kit.api.text_documents import how_to_load_text_model, language_card, text_plan, text_record
from kerasnlp_kit.api.text_preparation import TextData, TextTokens, read_text_data, tokenize_texts
from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.api.token_fitting import fit_network, network_part
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.errors import TrainingDiverged, UserError
from kerasnlp_kit.evaluation.language import LanguageScores
from kerasnlp_kit.evaluation.language_report import LanguageReportData, write_language_report
from kerasnlp_kit.export.folder import build_network
from kerasnlp_kit.training import devices

PROVEN_PROMPTS = 64
PROMPT_CHARACTERS = 20  # of a dev text that is continued in the proof


def run_text_training(config: TextConfig, *, resume: bool = False, say: Say = print) -> TrainedModel:
    """Trains, exports, proves and documents a language model.

    Everything is written to ``models/NAME.unfinished``, which becomes ``models/NAME`` once it is proven.

    Args:
        config: all options.
        resume: continue the unfinished run of this name.
        say: told what goes on, line by line.

    Raises:
        UserError: see `read_text_data` and `tokenize_texts`; the name exists; nothing to resume.
        ExportMismatch: the SavedModel does not say what the model in memory says.
    """
    begin = time.perf_counter()
    with claim(config, resume) as places:
        run = Run(config, registry.find(config.model), places, None, resume, say)
        data = read_text_data(config, say)
        if config.training.tensorboard:
            devices.require_package("tensorboard", "--tensorboard")
        devices.choose_backend(config.device.backend, config.device.devices)
        with places.finishing(resume, say):
            trained = _all_steps(run, data, begin)
    return trained


def _all_steps(run: Run[TextConfig], data: TextData, begin: float) -> TrainedModel:
    tokens = _begin(run, data)
    facts = _fit(run, data, tokens)
    (part,) = run.record["parts"]
    parts = {data.dev_name: data.dev} | ({data.test_name: data.test} if data.test and data.test_name else {})
    found = _export(run, tokens, parts)
    samples = _samples(run)
    scorer = TextScorer(tokens.tokenizer, list(data.train.texts))
    scores = {
        name: scorer.score(list(one.texts), *found[name], samples if name == list(parts)[-1] else ())
        for name, one in parts.items()
    }
    final = run.places.final.path
    saved_model = final / "saved_model" / str(run.places.version)
    load = how_to_load_text_model(saved_model, part["library"])
    seconds = time.perf_counter() - begin
    facts["whole run"] = f"{seconds:.0f} s"
    facts["SavedModel"] = f"{run.places.work.size() / 1e6:.1f} MB"
    _document(run, data, tokens, scores, parts, samples, facts, load)
    metrics = {name: one.metrics for name, one in scores.items()}
    return TrainedModel(final, saved_model, final / "report.html", metrics, scores, load, seconds)


def _begin(run: Run[TextConfig], data: TextData) -> TextTokens:
    """run.json and tokenizer of this run; on a resume those of the start, if the data are still the same."""
    work, saved = run.places.work, None
    if run.resume:
        record = work.run()
        for part, now in (("train", data.train), ("dev", data.dev)):
            before = record["data"][part]
            if (before["fingerprint"], before["rows"]) != (now.fingerprint, len(now)):
                raise UserError(f"{before['source']} is not what it was when the run began; start it anew.")
        run.record.update(record)
        saved = work.text_tokenizer(record["parts"][0])
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


def _fit(run: Run[TextConfig], data: TextData, tokens: TextTokens) -> dict[str, str]:
    """Trains the network and writes its weights, or continues from its checkpoint; what the report says of it."""
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
    from kerasnlp_kit.text.windows import windows
    from kerasnlp_kit.training.text_batches import TextBatches

    options = run.config.training
    compiled = options.jit or run.config.device.backend == "jax"
    rows = windows(tokens.train, tokens.sizes.context, tokens.packed)
    batches = TextBatches(rows, options.batch_tokens, options.seed, 16 if compiled else 1)
    facts = fit_network(
        run,
        batches,
        TokenCrossEntropy(options.label_smoothing),
        _dev_measures(run, tokens),
        lambda parameters, device: text_plan(data, tokens, run.spec.name, parameters, device),
    )
    return {"model": facts.pop("model"), "tokens": tokens.reason, **facts}


def _dev_measures(run: Run[TextConfig], tokens: TextTokens) -> Any:
    """What an epoch is measured by: the loss of the dev texts."""
    from kerasnlp_kit.api.memory_language import MemoryLanguage

    (part,) = run.record["parts"]
    with devices.exact():
        network = build_network(part)
    memory = MemoryLanguage(network, tokens.tokenizer, tokens.sizes.context)
    count = int((tokens.dev.lengths + 1).sum())

    def measures(values: Sequence[np.ndarray]) -> dict[str, float]:
        network.set_weights(values)
        loss = -memory.score_ids(tokens.dev).sum() / max(1, count)
        if not np.isfinite(loss):
            raise TrainingDiverged
        return {"val_loss": float(loss), "val_perplexity": float(np.exp(loss)), "val_score": float(np.exp(-loss))}

    return measures


def _export(
    run: Run[TextConfig], tokens: TextTokens, parts: Mapping[str, Examples]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Writes the SavedModel and proves it.

    Returns:
        Its own log-probabilities for the texts of each part, and how many tokens they have.
    """
    from kerasnlp_kit.api.memory_language import MemoryLanguage
    from kerasnlp_kit.export.saved_model import export_saved_model
    from kerasnlp_kit.export.verify import HARD_TEXTS, Prover
    from kerasnlp_kit.export.verify_language import prove_language
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    work, (part,) = run.places.work, run.record["parts"]
    asked = [to_bytes(text) for one in parts.values() for text in one.texts]
    if run.config.output.new_version and run.places.final.path.exists():
        shutil.copytree(run.places.final.path / "saved_model", work.path / "saved_model", dirs_exist_ok=True)
    run.write_record()
    run.say("Exporting the SavedModel, then asking it in a fresh process ...")
    order = np.argsort([len(text) for text in asked], kind="stable")  # less padding
    texts = [*HARD_TEXTS, *(asked[row] for row in order)]
    prompts = [*HARD_TEXTS, *(text[:PROMPT_CHARACTERS].encode() for text in _some(parts, PROVEN_PROMPTS))]
    with Prover() as prover:
        saved_model = export_saved_model(work, run.places.version)
        with devices.exact():
            network = work.build_network(part)
        memory = MemoryLanguage(network, tokens.tokenizer, tokens.sizes.context)
        typical = [asked[row] for row in order[: len(order) // 2][-8:]] or asked[:1]
        totals, lengths = prove_language(
            prover,
            saved_model,
            texts,
            prompts,
            memory.memory(typical, run.config.training.seed % 2**31),
            seed=run.config.training.seed,
            library=part["library"],
        )
    run.say(f"The SavedModel expects {len(texts):,} texts as the model in memory does, and continues them likewise.")
    place = np.argsort(order) + len(HARD_TEXTS)
    found, start = {}, 0
    for name, one in parts.items():
        here = place[start : start + len(one)]
        found[name] = (totals[here], lengths[here])
        start += len(one)
    return found


def _some(parts: Mapping[str, Examples], count: int) -> list[str]:
    first = next(iter(parts.values()))
    return list(first.texts[: min(count, len(first))])


def _samples(run: Run[TextConfig]) -> list[str]:
    """Texts that the SavedModel writes from their begin."""
    from kerasnlp_kit.api.generator import SAMPLE_TOKENS, sample_with, signatures_of

    options = run.config.training
    if not options.samples:
        return []
    signatures = signatures_of(run.places.work)
    return sample_with(signatures, [b""] * options.samples, SAMPLE_TOKENS, options.seed % 2**31)


def _document(
    run: Run[TextConfig],
    data: TextData,
    tokens: TextTokens,
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
            history=training["history"],
            best_epoch=training["best_epoch"],
            warnings=data.train.notes,
            how_to_load=load,
        ),
    )
    (work.path / "MODEL_CARD.md").write_text(language_card(name, record, scores, facts, load), encoding="utf-8")
    work.write_manifest()
