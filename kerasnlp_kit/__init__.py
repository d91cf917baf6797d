"""From a CSV of texts to a proven string-to-string SavedModel, with Keras 3 and TensorFlow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from kerasnlp_kit.api.augment import augment
    from kerasnlp_kit.api.autoencoder import LoadedAutoencoder
    from kerasnlp_kit.api.diagnosis import Diagnosis
    from kerasnlp_kit.api.doctor import doctor
    from kerasnlp_kit.api.estimator import TextClassifier
    from kerasnlp_kit.api.evaluate import Evaluation, evaluate
    from kerasnlp_kit.api.generator import LoadedGenerator
    from kerasnlp_kit.api.load import LoadedModel, load
    from kerasnlp_kit.api.pair_evaluate import PairEvaluation, evaluate_writer
    from kerasnlp_kit.api.run import TrainedModel
    from kerasnlp_kit.api.text_evaluate import TextEvaluation, evaluate_text_model
    from kerasnlp_kit.api.writer import LoadedWriter
    from kerasnlp_kit.errors import ExportMismatch, UserError

__version__ = "0.1.0"
__all__ = [
    "Diagnosis",
    "Evaluation",
    "ExportMismatch",
    "LoadedAutoencoder",
    "LoadedGenerator",
    "LoadedModel",
    "LoadedWriter",
    "PairEvaluation",
    "TextClassifier",
    "TextEvaluation",
    "TrainedModel",
    "UserError",
    "augment",
    "doctor",
    "evaluate",
    "evaluate_text_model",
    "evaluate_writer",
    "load",
    "train",
]

_PLACES = {
    "Diagnosis": "kerasnlp_kit.api.diagnosis",
    "Evaluation": "kerasnlp_kit.api.evaluate",
    "LoadedModel": "kerasnlp_kit.api.load",
    "TextClassifier": "kerasnlp_kit.api.estimator",
    "TrainedModel": "kerasnlp_kit.api.run",
    "ExportMismatch": "kerasnlp_kit.errors",
    "UserError": "kerasnlp_kit.errors",
    "doctor": "kerasnlp_kit.api.doctor",
    "evaluate": "kerasnlp_kit.api.evaluate",
    "LoadedAutoencoder": "kerasnlp_kit.api.autoencoder",
    "LoadedGenerator": "kerasnlp_kit.api.generator",
    "LoadedWriter": "kerasnlp_kit.api.writer",
    "TextEvaluation": "kerasnlp_kit.api.text_evaluate",
    "augment": "kerasnlp_kit.api.augment",
    "evaluate_text_model": "kerasnlp_kit.api.text_evaluate",
    "PairEvaluation": "kerasnlp_kit.api.pair_evaluate",
    "evaluate_writer": "kerasnlp_kit.api.pair_evaluate",
    "load": "kerasnlp_kit.api.load",
}


def train(
    data: "str | os.PathLike[str] | None" = None,
    *,
    resume: "str | os.PathLike[str] | None" = None,
    say: "Callable[[str], None]" = print,
    **options: Any,
) -> "TrainedModel":
    """Trains a model as ``train.py`` does.

    Args:
        data: CSV, TSV, JSON lines, Parquet or plain text, also compressed; or a URL. Not needed where ``config`` names
            it.
        resume: continue this unfinished run, models/NAME; of the options only ``data``, ``dev``, ``test`` and
            ``out_of_scope`` may be given then, once more.
        say: told what goes on, line by line; the progress of the epochs is Keras' own and goes to standard output.
        options: those of the command line, with underscores: ``model="lstm_classifier", epochs=5, units=256``;
            ``from_model`` is ``--from``.

    Returns:
        Where the model is and what it reached.

    Raises:
        UserError: the data or the options are not as they should be.
        ExportMismatch: the SavedModel does not answer as the model in memory; it is not put in place.
    """
    import os

    from kerasnlp_kit.options import parse_run, to_arguments

    given = [] if data is None else [os.fspath(data)]
    given += [] if resume is None else ["--resume", os.fspath(resume)]
    from kerasnlp_kit.api.dispatch import model_for_data, run_training

    arguments = [*given, *to_arguments(options)]
    config, resumed = parse_run(arguments, "kerasnlp-kit train", find_model=model_for_data)
    return run_training(config, resume=resumed, say=say)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for: importing the package alone costs nothing."""
    if name in _PLACES:
        import importlib

        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
