"""The training of a model that writes a text for a text, from the file to the proven model folder."""

import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.pair_documents import how_to_load_writer, pair_plan, pair_record, writer_card
from kerasnlp_kit.api.pair_preparation import (
    PairData,
    PairTokens,
    drawn_anew,
    read_pair_data,
    tokenize_pairs,
)
from kerasnlp_kit.api.pair_scoring import GenerationScores, GroupedPairs, beyond_model, grouped, score_outputs
from kerasnlp_kit.api.places import claim
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.api.run import Run, TrainedModel
from kerasnlp_kit.api.token_fitting import fit_network, network_part
from kerasnlp_kit.api.tokenization import shortened
from kerasnlp_kit.config import PairConfig
from kerasnlp_kit.data.pair_checks import pair_notes
from kerasnlp_kit.errors import TrainingDiverged
from kerasnlp_kit.evaluation.corpus_scores import bleu_statistics, bleu_tokenizer, chrf_statistics
from kerasnlp_kit.evaluation.generation import exact_matches
from kerasnlp_kit.evaluation.generation_baselines import NearestNeighbour
from kerasnlp_kit.evaluation.generation_report import GenerationReportData, write_generation_report
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.export.folder import build_network
from kerasnlp_kit.training import devices

EVALUATION_TOKENS = 8192  # of a batch of dev rows; nothing is kept for gradients
LONGEST_SCORED = 256  # target tokens of a dev row that takes part in the loss
Measure = Callable[[Sequence[tuple[str, ...]], Sequence[str]], float]


def run_pair_training(
    config: PairConfig, *, resume: bool = False, say: Say = print, temporary: bool = False
) -> TrainedModel:
    """Trains, exports, proves and documents a model that writes a text for a text.

    Everything is written to ``models/NAME.unfinished``, which becomes ``models/NAME`` once it is proven.

    Args:
        config: all options.
        resume: continue the unfinished run of this name.
        say: told what goes on, line by line.
        temporary: whether the folder of models goes with the caller.

    Raises:
        UserError: see `read_pair_data` and `tokenize_pairs`; the name exists; nothing to resume.
        ExportMismatch: the SavedModel does not write what the model in memory writes.
    """
    begin = time.perf_counter()
    with claim(config, resume, temporary=temporary) as places:
        run = Run(config, registry.find(config.model), places, None, resume, say)
        run.say_unread()
        data = read_pair_data(config, say)
        for line in pair_notes(data.train, data.dev, data.test):
            say(printable(f"doctor: {line}"))
        if config.training.tensorboard:
            devices.require_package("tensorboard", "--tensorboard")
        devices.choose_backend(config.device.backend, config.device.devices)
        with places.finishing(resume, say):
            trained = _all_steps(run, data, begin)
    return trained


def _all_steps(run: Run[PairConfig], data: PairData, begin: float) -> TrainedModel:
    tokens = _begin(run, data)
    (part,) = run.record["parts"]
    for name, pairs in {data.dev_name: data.dev, data.test_name: data.test}.items():
        if pairs is not None:
            for note in beyond_model(tokens.source, tokens.target, part, pairs.sources, pairs.targets):
                run.say(printable(f"note: {name}: {note}"))
    facts = _fit(run, data, tokens)
    parts = {data.dev_name: data.dev} | ({data.test_name: data.test} if data.test and data.test_name else {})
    rows = {name: grouped(pairs) for name, pairs in parts.items()}
    outputs, totals, picture = _export(run, tokens, rows)
    nearest = NearestNeighbour(list(data.train.sources), list(data.train.targets))
    scores = {name: score_outputs(rows[name], outputs[name], nearest=nearest) for name in rows}
    final = run.places.final.path
    saved_model = final / "saved_model" / str(run.places.version)
    load = how_to_load_writer(saved_model, part["library"])
    seconds = time.perf_counter() - begin
    facts.update(run.closing_facts(seconds, tested=data.test is not None))
    name = list(rows)[-1]
    sureness = totals[name] / (tokens.target.encode(outputs[name]).lengths + 1)
    _document(run, data, tokens, scores, rows[name], outputs[name], sureness, picture, facts, load)
    metrics = {name: one.metrics for name, one in scores.items()}
    return TrainedModel(final, saved_model, final / "report.html", metrics, scores, load, seconds)


def _begin(run: Run[PairConfig], data: PairData) -> PairTokens:
    """run.json and tokenizers of this run; on a resume those of the start, if the data are still the same."""
    work = run.places.work
    saved = None
    if run.resume:
        run.take_record(data.files())
        saved = work.pair_tokenizers(run.record["parts"][0])
    else:
        run.record.update(pair_record(run.config, run.spec, data))
        shutil.rmtree(work.path, ignore_errors=True)
        (work.path / "weights").mkdir(parents=True)
    tokens = tokenize_pairs(run.config, data, saved)
    if not run.resume:
        sides = ("joint", "joint") if tokens.sizes.joint else ("source", "target")
        names = {}
        for side, name, tokenizer in zip(("source", "target"), sides, (tokens.source, tokens.target), strict=True):
            names[side] = name + tokenizer.file_ending
            (work.path / names[side]).write_bytes(tokenizer.save())
        run.record["parts"] = [_part(run, tokens, names)]
        run.write_record()
    return tokens


def _part(run: Run[PairConfig], tokens: PairTokens, names: Mapping[str, str]) -> dict[str, Any]:
    """The entry of the network in run.json."""
    from kerasnlp_kit.tasks.seq2seq import limits_of

    writing = run.config.writing
    library = tokens.source.library or tokens.target.library
    attends = getattr(run.config.architecture, "attention", "") != "none"  # else it looks at no place to copy from
    used = (tokens.train[0].lengths[tokens.rows], tokens.train[1].lengths[tokens.rows])
    return {
        **network_part(run, tokens.sizes, names, library),
        "limits": dataclasses.asdict(limits_of(*used)),
        "max_source": tokens.max_source,
        # From words a character would get their blank, and from characters a word would lack it.
        "copy_unknown": writing.copy_unknown and not library and tokens.source.kind == tokens.target.kind and attends,
        "beam": writing.beam,
        "length_penalty": writing.length_penalty,
        "coverage_penalty": writing.coverage_penalty,
        "xla": writing.xla,
    }


def _fit(run: Run[PairConfig], data: PairData, tokens: PairTokens) -> dict[str, str]:
    """Trains the network and writes its weights, or continues from its checkpoint; what the report says of it."""
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
    from kerasnlp_kit.text.pieces import same_pieces
    from kerasnlp_kit.training.pair_batches import PairBatches

    options = run.config.training
    compiled = options.jit or run.config.device.backend == "jax"
    same = same_pieces(tokens.source, tokens.target) if run.record["parts"][0]["copy_unknown"] else None
    batches = PairBatches(
        *tokens.train,
        options.batch_tokens,
        options.seed,
        multiple=16 if compiled else 1,
        rows=tokens.rows,
        same=same,
        drawn=drawn_anew(run.config, data, tokens),
    )
    facts = fit_network(
        run,
        batches,
        TokenCrossEntropy(options.label_smoothing),
        _dev_measures(run, data, tokens),
        lambda parameters, device: pair_plan(data, tokens, run.spec.name, parameters, device),
    )
    return {"model": facts.pop("model"), "tokens": tokens.reasons, **facts}


def _dev_measures(run: Run[PairConfig], data: PairData, tokens: PairTokens) -> Any:
    """What an epoch is measured by: the loss of dev targets, and the quality of what is written for dev sources."""
    from kerasnlp_kit.api.memory_writer import MemoryWriter
    from kerasnlp_kit.decoding.protocol import Limits
    from kerasnlp_kit.tasks.any_shape import COMPILED_WIDTH
    from kerasnlp_kit.tasks.seq2seq import TargetScorer, score
    from kerasnlp_kit.training.pair_batches import PairBatches

    (part,), options = run.record["parts"], run.config.training
    limits = Limits(**part["limits"])
    with devices.exact():
        network = build_network(part, portable=True)
    # Of a source that is asked about all targets are right, also those of rows that are not among these.
    everything = grouped(data.dev)
    order = np.random.default_rng(options.seed).permutation(len(everything.sources))
    chosen = everything.take(np.sort(order[: options.dev_rows]))
    writer = MemoryWriter(network, (tokens.source, tokens.target), limits, part["copy_unknown"])
    scorer = TargetScorer(network)
    multiple = COMPILED_WIDTH if writer.fixed else 1
    longest = max(LONGEST_SCORED, tokens.max_source)
    order = np.random.default_rng(options.seed).permutation(len(data.dev))
    rows = np.sort(order[: options.dev_rows])
    rows = rows[tokens.dev[1].lengths[rows] <= longest]
    targets = PairBatches(*tokens.dev, EVALUATION_TOKENS, multiple=multiple, rows=rows)
    texts = [source.encode("utf-8", "replace") for source in chosen.sources]
    ids = shortened(tokens.source.encode(chosen.sources), tokens.max_source)
    sources = PairBatches(ids, ids, EVALUATION_TOKENS, multiple=multiple)
    measure = _measure(options.measure, tokens, chosen)

    def measures(values: Sequence[np.ndarray]) -> dict[str, float]:
        network.set_weights(values)
        outputs: list[str] = [""] * len(texts)
        for members in sources.plan(0):
            for row, text in zip(members, writer.greedy(ids, texts, members)[0], strict=True):
                outputs[row] = text
        with devices.exact():
            total = score(scorer, targets, targets.plan(0)).sum() if len(rows) else np.nan
        if len(rows) and not np.isfinite(total):
            raise TrainingDiverged
        return {
            "val_loss": float(-total / max(1, targets.target_tokens)),
            "val_score": measure(chosen.references, outputs),
        }

    return measures


def _measure(name: str, tokens: PairTokens, rows: GroupedPairs) -> Measure:
    """Maps references and outputs to a number, the higher the better; 0 to 1, or of corpus scores to 100."""
    if name == "auto":
        name = "chrf" if tokens.target.kind == "subwords" else "exact_match"
    if name == "exact_match":
        return lambda references, outputs: float(exact_matches(references, outputs).mean())
    if name == "chrf":
        return lambda references, outputs: chrf_statistics(references, outputs).value()
    tokenizer = bleu_tokenizer([target for row in rows.references for target in row])
    return lambda references, outputs: bleu_statistics(references, outputs, tokenizer).value()


def _export(
    run: Run[PairConfig], tokens: PairTokens, rows: Mapping[str, GroupedPairs]
) -> tuple[dict[str, list[str]], dict[str, np.ndarray], Any]:
    """Writes the SavedModel and proves it.

    Returns:
        Its own outputs for the sources of each part, their log-probabilities, and a picture of the attention.
    """
    from kerasnlp_kit.api.memory_writer import MemoryWriter
    from kerasnlp_kit.decoding.protocol import Limits
    from kerasnlp_kit.export.saved_model import export_saved_model
    from kerasnlp_kit.export.verify import HARD_TEXTS, Prover
    from kerasnlp_kit.export.verify_seq2seq import SOME, prove_seq2seq
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    work, (part,) = run.places.work, run.record["parts"]
    texts = list(HARD_TEXTS)
    for one in rows.values():
        texts.extend(map(to_bytes, one.sources))
    run.begin_export()
    with Prover() as prover:
        saved_model = export_saved_model(work, run.places.version)
        with devices.exact():
            network = work.build_network(part)
        writer = MemoryWriter(network, (tokens.source, tokens.target), Limits(**part["limits"]), part["copy_unknown"])
        # Hard ones first, then rows of like length together: less padding.
        order = np.argsort([len(text) for text in texts[len(HARD_TEXTS) :]], kind="stable") + len(HARD_TEXTS)
        order = np.concatenate([np.arange(len(HARD_TEXTS)), order])
        asked = [texts[row] for row in order]
        ids = shortened(tokens.source.encode(asked), tokens.max_source)
        options = {"length_penalty": part["length_penalty"], "seed": run.config.training.seed % 2**31}
        coverage = part.get("coverage_penalty", 0.0)
        some = min(SOME, len(asked))
        found, totals = prove_seq2seq(
            prover,
            saved_model,
            asked,
            writer.memory(ids, asked, some, saved_model, size=part["beam"], coverage_penalty=coverage, **options),
            beam_size=part["beam"],
            library=part["library"],
            **options,
        )
    run.say(f"The SavedModel writes for {len(asked):,} texts what the model in memory writes.")
    place = np.argsort(order)
    outputs, scores, begin = {}, {}, len(HARD_TEXTS)
    for name, one in rows.items():
        here = place[begin : begin + len(one.sources)]
        outputs[name], scores[name] = [found[row] for row in here], totals[here]
        begin += len(one.sources)
    return outputs, scores, writer.attention(_typical(ids, len(HARD_TEXTS)))


def _typical(ids: Any, begin: int) -> np.ndarray:
    """Ids of a source of middle length, for the picture: int32 (time,)."""
    lengths = ids.lengths[begin:]
    return ids.row(begin + int(np.argsort(lengths, kind="stable")[len(lengths) // 2]))


def _document(
    run: Run[PairConfig],
    data: PairData,
    tokens: PairTokens,
    scores: Mapping[str, GenerationScores],
    rows: GroupedPairs,
    outputs: Sequence[str],
    sureness: np.ndarray,
    picture: Any,
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
    warnings = list(data.train.notes)
    if tokens.cut:
        warnings.append(f"{tokens.cut:,} training sources are longer than the network reads.")
    shown = run.config.output.texts
    write_generation_report(
        work.path / "report.html",
        GenerationReportData(
            title=name,
            subtitle=f"{run.spec.name}, trained on {data.train.source}: {len(data.train):,} pairs",
            facts=facts,
            data_name=data_name,
            metrics=last.metrics,
            sources=rows.sources if shown else None,
            references=rows.references if shown else None,
            predictions=outputs if shown else None,
            scores=sureness if shown else None,
            history=training["history"],
            best_epoch=training["best_epoch"],
            warnings=warnings,
            how_to_load=load,
            comparisons=last.comparisons,
            attention=picture if shown else None,
        ),
    )
    metrics = {part: one.metrics for part, one in scores.items()}
    work.write_text("MODEL_CARD.md", writer_card(name, record, metrics, facts, load))
    work.write_manifest()
