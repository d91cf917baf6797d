"""What follows once a classifier is fitted: dev rows learnt from, too, the SavedModel, its proof and its scores."""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from kerasnlp_kit.api.fitted import Fitted
from kerasnlp_kit.api.linear_fitting import refit_linear
from kerasnlp_kit.api.mixture import Mixture
from kerasnlp_kit.api.network_fitting import predict, refit_network
from kerasnlp_kit.api.preparation import Part, Prepared
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.api.scoring import Scores, score
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.constants import LINEAR
from kerasnlp_kit.errors import ExportMismatch, TrainingDiverged
from kerasnlp_kit.evaluation.calibration import answers_calibration_error
from kerasnlp_kit.evaluation.decision import cross_fitted_thresholds, f1_thresholds, precision_thresholds
from kerasnlp_kit.export.folder import BASELINE, ModelFolder, longest_read
from kerasnlp_kit.training import devices


@dataclasses.dataclass(frozen=True)
class Before:
    """What the model of the training rows alone says, whose figures on dev are honest.

    Attributes:
        dev: float32 (dev rows, classes), probabilities.
        baseline: the linear model that stands beside it; None where the model itself is that.
        outside: float (texts out of scope, classes), probabilities, if there are such texts.
    """

    dev: np.ndarray
    baseline: Any
    outside: np.ndarray | None


def wanted_thresholds(precision: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """How thresholds for a precision are found of probabilities and labels of dev rows: `precision_thresholds`.

    A little lower, as the export may round the very rows that set them otherwise.
    """
    from kerasnlp_kit.export.verify import TOLERANCE

    return functools.partial(precision_thresholds, wanted=precision, room=TOLERANCE)


def before_refit(run: Run[RunConfig], prepared: Prepared, mixture: Mixture, dev: np.ndarray) -> Before:
    """Asks the model of the training rows alone what is told of it later; ``dev``: see `Before`."""
    from kerasnlp_kit.export.saved_model import decision_of
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    work, outside = run.places.work, None
    if prepared.outside is not None and run.config.training.refit:
        texts = [to_bytes(text) for text in prepared.outside.texts]
        scores, _ = _scores_in_memory(work, run.record, texts, np.arange(min(1, len(texts))))
        outside = decision_of(run.record).probabilities(scores).astype("float32")
    baseline = None if mixture.is_linear else work.linear(work.path / BASELINE)
    if baseline is not None and prepared.multi_label:
        limits = f1_thresholds(expit(baseline.scores(prepared.dev.examples.texts)), prepared.dev.labels)
        run.record["decision"]["baseline_thresholds"] = limits.tolist()
    return Before(dev, baseline, outside)


def refit(run: Run[RunConfig], prepared: Prepared, mixture: Mixture, tokens: Any, repeat: list[str]) -> bool:
    """Fits the linear part again, on training and dev rows, and the networks of the names ``repeat``.

    Returns:
        Whether any was.
    """
    if not run.config.training.refit:
        return False
    if any(part.interrupted for part in mixture.parts):
        run.say("note: not trained once more on training and dev rows (--refit), as Ctrl-C ended the training.")
        return False
    refitted = interrupted = False
    for part in mixture.parts:
        if part.is_network:
            if part.name in repeat and not interrupted:
                ended = refit_network(run, prepared, tokens(), part)
                interrupted, refitted = ended == "interrupted", refitted or ended == "repeated"
        else:
            refit_linear(run, prepared, part, run.places.work.weights(part.record))
            refitted = True
    if refitted and not mixture.is_linear:
        _refit_baseline(run, prepared, mixture)
    return refitted


def _refit_baseline(run: Run[RunConfig], prepared: Prepared, mixture: Mixture) -> None:
    """The linear model learns from the dev rows, too, where the model has that stands beside it."""
    work = run.places.work
    linear = mixture.linear
    if linear:
        shutil.copyfile(work.weights(linear[0].record), work.path / BASELINE)
        return
    fitted = Fitted(run.record["baseline"], np.zeros((0, len(prepared.label_names))))
    refit_linear(run, prepared, fitted, work.path / BASELINE)


def export(
    run: Run[RunConfig], prepared: Prepared, mixture: Mixture, before: Before, refitted: bool
) -> dict[str, Scores]:
    """Writes the SavedModel, proves it, and scores it."""
    from kerasnlp_kit.export.saved_model import decision_of, export_saved_model
    from kerasnlp_kit.export.verify import HARD_TEXTS, IDS_BYTES, IDS_ROWS, Prover
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    work, record = run.places.work, run.record
    parts = [part for part in (prepared.dev, prepared.test) if part]
    texts = list(HARD_TEXTS)
    for part in parts:
        texts.extend(map(to_bytes, part.examples.texts))
    dev_and_test = len(texts)
    if prepared.outside is not None:
        texts.extend(map(to_bytes, prepared.outside.texts))
    run.begin_export()
    decision = decision_of(record)
    short = np.array([row for row, text in enumerate(texts) if len(text) <= IDS_BYTES][:IDS_ROWS])
    with Prover() as prover:
        expected_scores, numbers = _scores_in_memory(work, record, texts, short)
        expected = decision.probabilities(expected_scores)
        if not np.isfinite(expected).all():
            raise TrainingDiverged
        saved_model = export_saved_model(work, run.places.version)
        found = prover.prove(
            saved_model, texts, short, numbers, expected, prepared.label_names, decision, longest_read(record)
        )
    unscaled = dataclasses.replace(decision, scales=(1.0,) * len(expected_scores)).probabilities(expected_scores)
    run.say(f"The SavedModel answers {len(texts):,} texts as the model in memory does.")
    if not refitted:
        _require_same_accuracy(run, prepared, before.dev, found[len(HARD_TEXTS) :][: len(prepared.dev.labels)])
    outside = found[dev_and_test:] if len(texts) > dev_and_test else None
    baseline = None if mixture.is_linear else work.linear(work.path / BASELINE)
    scores = {}
    begin = len(HARD_TEXTS)
    for part in parts:
        rows = slice(begin, begin + len(part.labels))
        begin = rows.stop
        error_before = None if prepared.multi_label else answers_calibration_error(unscaled[rows], part.labels)
        if part is prepared.dev and refitted:
            answers, error_before = before.dev, record["decision"].get("calibration_error_before")
            scores[part.name] = _score(run, prepared, part, answers, before.baseline, before.outside, error_before)
        else:
            scores[part.name] = _score(run, prepared, part, found[rows], baseline, outside, error_before)
    return scores


def _scores_in_memory(
    work: ModelFolder, record: Mapping[str, Any], texts: list[bytes], some: np.ndarray
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Scores of all texts by each part, from the weights files: what is proven is what is shipped.

    Also in float32 after training in 16 bits. And inputs of the signature ``ids`` for the rows ``some``.
    """
    from kerasnlp_kit.text.padding import pad_rows

    scores, numbers = [], {}
    for part in record["parts"]:
        if part["kind"] == LINEAR:
            model = work.linear(work.weights(part))
            scores.append(model.scores(texts))
            numbers["ngrams"] = model.features.numbers([texts[row] for row in some])
            continue
        longest = part["sizes"]["max_length"]
        ids = work.tokenizer().encode(texts, longest)
        with devices.exact():
            network = work.build_network(part)
        scores.append(predict(network, ids, tuple(part["widths"])))
        numbers["ids"] = pad_rows(ids, some, longest)
    return scores, numbers


def _score(
    run: Run[RunConfig],
    prepared: Prepared,
    part: Part,
    answers: np.ndarray,
    baseline: Any,
    outside: np.ndarray | None,
    calibration_before: float | None,
) -> Scores:
    thresholds, of_baseline = (run.record["decision"].get(name) for name in ("thresholds", "baseline_thresholds"))
    beside = None if baseline is None else baseline.scores(part.examples.texts)
    precision, of_rows = run.config.decision.min_precision, None
    if part is prepared.dev:  # on whose very rows the thresholds were found
        if prepared.multi_label:
            of_rows = cross_fitted_thresholds(answers, part.labels, f1_thresholds)
            of_baseline = None if beside is None else cross_fitted_thresholds(expit(beside), part.labels, f1_thresholds)
        elif precision:
            of_rows = cross_fitted_thresholds(answers, part.labels, wanted_thresholds(precision))
    return score(
        part.examples,
        answers,
        prepared.label_names,
        class_counts=run.record["data"]["classes"],
        thresholds=thresholds,
        thresholds_of_rows=of_rows,
        min_precision=precision,
        baseline=beside,
        baseline_thresholds=of_baseline,
        outside=outside,
        calibration_before=calibration_before,
    )


def _require_same_accuracy(run: Run[RunConfig], prepared: Prepared, before: np.ndarray, found: np.ndarray) -> None:
    """Compares the SavedModel's answers on dev with those of the model as it was when training ended.

    The proof takes its weights from the file; this one notices a wrong file. 16 bits round: then the two need not be
    equal.
    """
    if run.config.training.mixed_precision:
        return
    tolerance = 2.5 * (len(prepared.label_names) if prepared.multi_label else 1)
    answers = (before > 0.5, found > 0.5) if prepared.multi_label else (before.argmax(axis=1), found.argmax(axis=1))
    different = int((answers[0] != answers[1]).sum())
    if different > tolerance:
        raise ExportMismatch(
            f"The SavedModel answers {different} of {len(before):,} dev texts otherwise than the model when training "
            "ended."
        )
