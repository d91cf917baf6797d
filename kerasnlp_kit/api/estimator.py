"""A scikit-learn estimator: text classification in a pipeline, a grid search, a cross-validation."""

import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from kerasnlp_kit import registry
from kerasnlp_kit.api.documents import cell, how_to_load
from kerasnlp_kit.api.load import LoadedModel
from kerasnlp_kit.api.train import TrainedModel, run_training
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.data.label_sets import label_lists
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation import page
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.options import parse_run, to_arguments
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.training.progress import silent, tell

_NAME = "model"
_DATA = "data.parquet"
_GIVEN = "the texts given to TextClassifier.fit"  # what a saved model calls them
_FILES = "_files"  # in what is pickled
# Options that are parameters of the estimator, or its own affair.
_NOT_OPTIONS = {
    "model": "the parameter model",
    "preset": "the parameter preset",
    "seed": "the parameter random_state",
    **dict.fromkeys(("train", "text_column", "label_column", "label_separator"), "X and y"),
    **dict.fromkeys(("name", "models", "overwrite", "new_version"), "the method save"),
}


class TextClassifier(ClassifierMixin, BaseEstimator):
    """Labels texts with a model that `fit` trains, exports and proves as ``train.py`` does.

    Args:
        model: name of the model; see ``kerasnlp-kit models``.
        preset: of the model.
        options: further options of the command line, with underscores: ``{"minutes": 0.5}``, of a network
            ``{"epochs": 5}``.
        random_state: the seed, or NumPy's RandomState that draws one; None is 0, so that two fits give the same model
            (auto: if they have the same time).
        verbose: whether to show what training says.

    Attributes:
        classes_: the labels, sorted: (classes,); where y is a matrix of 0 and 1, the numbers of its columns.
        model_: the `LoadedModel` that answers.
        trained_: what training made and reached; its folder goes with this object, so `save` what is to stay.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        preset: str | None = None,
        options: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.preset = preset
        self.options = options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Sequence[str], y: Any) -> "TextClassifier":  # scikit-learn's name
        """Trains on texts and labels; a part of them is held out for what must be chosen.

        Args:
            X: n texts: list, array or pandas column of strings.
            y: n labels, strings or numbers; or 0 and 1, (n, classes), also sparse, where a text may have several.

        Raises:
            UserError: options or data are not as they should be.
            ExportMismatch: the SavedModel does not answer as the model in memory.
            TypeError, ValueError: X or y is not of the shape or type that it must be.
        """
        texts, labels, given = _texts(X), _labels(y), self._given()
        if (spec := registry.find(self.model)).task != "classification":
            raise UserError(f"model must be one that labels texts. Received: {spec.name}, which is for {spec.task}")
        if not any(map(str.strip, texts)):
            raise UserError("X holds empty texts only.")
        if len(labels) != len(texts):
            raise ValueError(f"X and y must be of one length. Received: {len(texts)} texts and {len(labels)} labels")
        several = labels.ndim == 2
        if several:
            classes = np.arange(labels.shape[1])
            names = [f"{number:06d}" for number in classes]
            cells: Any = list(label_lists(labels, names))
        else:
            classes, codes = np.unique(labels, return_inverse=True)
            names = [str(value) for value in classes]
            if len(set(names)) < len(names):
                raise UserError("Two labels must not be written alike, such as 1 and '1'.")
            if not all(map(str.strip, names)):
                raise UserError("A label must not be blank: give such rows a name, or leave them out.")
            cells = [names[code] for code in codes]
        folder = self._new_folder()
        path = folder / _DATA
        pq.write_table(pa.table({"text": pa.array(map(_storable, texts), pa.string()), "label": cells}), path)
        given.update(models=str(folder), name=_NAME, text_column="text", label_column="label")
        config, _ = parse_run([str(path), *to_arguments(given)], "kerasnlp-kit train")
        assert isinstance(config, RunConfig)
        try:
            with contextlib.nullcontext() if self.verbose else silent():
                trained = run_training(config, say=tell, temporary=True)
        except UserError as error:
            # In words of X and y: the file is none of the user's.
            error.args = (str(error).replace(f'{path}: label column "label"', "y").replace(str(path), "X"),)
            raise
        path.unlink()
        model = LoadedModel(folder / _NAME)
        place = {name: number for number, name in enumerate(model.labels)}
        # All at once: a fit that fails leaves an earlier one as it was.
        self.trained_: TrainedModel = trained
        self.model_ = model
        self.classes_: np.ndarray = classes
        # Columns of the model in the order of classes_; a class that no row has cannot be among them.
        self._columns = [place.get(name, -1) for name in names]
        return self

    def _given(self) -> dict[str, Any]:
        """The options by name, as Python's own numbers."""
        options = dict(self.options or {})
        for name, where in _NOT_OPTIONS.items():
            if name in options:
                raise UserError(f"{name!r} is none of the options: it is for {where}.")
        seed: Any = self.random_state or 0
        if isinstance(seed, np.random.RandomState):
            seed = seed.randint(2**31 - 1)
        given = {**options, "model": self.model, "preset": self.preset, "seed": seed}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:
        """Probabilities of the classes, in the order of ``classes_``: float32 (texts, classes)."""
        check_is_fitted(self, "model_")
        found = self.model_.predict_proba(_texts(X))
        # A column that is never asked for stands in for classes that no row had.
        return np.hstack([found, np.zeros((len(found), 1), "float32")])[:, self._columns]

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """The most probable label of each text: (texts,); where a text may have several, 0 and 1: (texts, classes)."""
        probabilities = self.predict_proba(X)
        if not self.model_.multi_label:
            return self.classes_[probabilities.argmax(axis=1)]
        limits = np.append(np.asarray(self.model_.run["decision"]["thresholds"], "float32"), 2.0)[self._columns]
        return (probabilities >= limits).astype(int)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Copies the model folder to a new place, for ``evaluate.py``, ``kerasnlp_kit.load`` or a server.

        Card, report and run.json then tell of that place.

        Raises:
            UserError: there is something already.
            OSError: it cannot be written; nothing half-written is left.
        """
        check_is_fitted(self, "model_")
        target = home_filled_in(folder)
        if target.exists():
            raise UserError(f"{target} exists; give another place.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
            unfinished = ModelFolder(Path(place) / _NAME)
            shutil.copytree(self.model_.folder, unfinished.path)
            _tell_of(unfinished, target)
            unfinished.path.rename(target)
        return target

    def __getstate__(self) -> dict[str, Any]:
        """With the files of the model, so that a copy, or what another process gets, answers as this one does."""
        state = dict(super().__getstate__())
        if "model_" in state:
            folder = state.pop("model_").folder
            files = [path for path in folder.rglob("*") if path.is_file()]
            state[_FILES] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpacks them into a folder of its own."""
        files = state.pop(_FILES, None)
        super().__setstate__(state)
        if files is None:
            return
        folder = self._new_folder() / _NAME
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.model_ = LoadedModel(folder)
        trained = self.trained_
        places = {
            name: folder / getattr(trained, name).relative_to(trained.folder) for name in ("saved_model", "report")
        }
        self.trained_ = dataclasses.replace(trained, folder=folder, **places)

    def _new_folder(self) -> Path:
        """That goes with this object."""
        folder = Path(tempfile.mkdtemp(prefix="kerasnlp_kit-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def __sklearn_tags__(self) -> Any:
        """Tells scikit-learn that X holds strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _tell_of(model: ModelFolder, target: Path) -> None:
    """What a model folder says of itself: its name and place, and what it was trained on."""
    run = model.run()
    # Where it was fitted, which need not be where it was copied from: it may have been pickled in between.
    data, fitted = run["options"]["train"], Path(run["options"]["models"]) / _NAME
    code = [how_to_load(place / "saved_model" / "1", run["decision"]["multi_label"]) for place in (fitted, target)]
    for name, shown, same, titles in (
        ("MODEL_CARD.md", cell, str, ("# {}\n",)),
        ("report.html", page.escape, page.escape, ("<title>{}</title>", "<h1>{}</h1>")),
    ):
        content = (model.path / name).read_text(encoding="utf-8")
        content = content.replace(shown(data), shown(_GIVEN)).replace(same(code[0]), same(code[1]))
        for title in titles:
            content = content.replace(title.format(_NAME), title.format(shown(target.name)), 1)
        model.write_text(name, content)
    for part in run["data"].values():
        if isinstance(part, dict) and part.get("source") == data:
            part["source"] = _GIVEN
    run["options"] |= {"train": _GIVEN, "name": target.name, "models": str(target.parent)}
    model.write_json("run.json", run)
    model.write_manifest()


def _storable(text: str) -> str:
    """As `predict` reads it: half of a surrogate pair is no character. And a file of texts holds no NUL."""
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    return to_bytes(text).decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _labels(y: Any) -> np.ndarray:
    """(n,), or 0 and 1, (n, classes)."""
    try:
        labels = y.toarray() if scipy.sparse.issparse(y) else np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "y must be n labels, or 0 and 1 of shape (n, classes): scikit-learn's MultiLabelBinarizer makes them of "
            f"lists of labels. {error}"
        ) from error
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    if labels.ndim not in (1, 2):
        raise ValueError(f"y must be n labels, or 0 and 1 of shape (n, classes). Received: shape {labels.shape}")
    # What pandas has for a missing value is not equal to itself either, nor is it true or false.
    nothing = getattr(sys.modules.get("pandas"), "NA", None)
    for row, values in enumerate(labels.reshape(len(labels), -1).tolist() if labels.size else ()):
        if any(value is None or value is nothing or value != value for value in values):
            raise ValueError(f"y must have a label in every row. Received: none at row {row}")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise ValueError("y of several columns must hold 0 and 1: whether a text has the label of the column.")
    return labels


def _texts(texts: Any) -> list[str]:
    if isinstance(texts, (str, bytes, Mapping)):
        raise TypeError(f"X must be several texts, such as a list. Received: {texts!r:.100}")
    shape: tuple[int, ...] = getattr(texts, "shape", ())
    if len(shape) == 2:
        if shape[1] != 1:
            raise TypeError(f"X must be one column of texts. Received: {shape[1]} columns")
        texts = np.asarray(texts)[:, 0]
    found = list(texts)
    for row, text in enumerate(found):
        if not isinstance(text, str):
            raise TypeError(f"X must hold strings. Received: {text!r:.100} at row {row}")
    return found
