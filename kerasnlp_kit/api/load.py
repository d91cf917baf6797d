"""Loads a model folder, and labels texts with its SavedModel."""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnlp_kit.data.label_sets import label_lists
from kerasnlp_kit.data.source import require_source
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder, longest_read
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.text.token_ids import rows_at

if TYPE_CHECKING:
    from kerasnlp_kit.api.autoencoder import LoadedAutoencoder
    from kerasnlp_kit.api.generator import LoadedGenerator
    from kerasnlp_kit.api.writer import LoadedWriter

BATCH = 256
SORTED = 64 * BATCH  # texts that are read at once and sorted by length
_SCORED_BY = {
    "classification": "kit.evaluate",
    "seq2seq": "kit.evaluate_writer",
    "language_model": "kit.evaluate_text_model",
    "autoencoding": "kit.evaluate_text_model",
}


class LoadedFolder:
    """A model folder whose SavedModel is loaded.

    Only TensorFlow is needed for it: neither Keras nor the model's Python code runs.

    Args:
        folder: models/NAME; every file is compared with its manifest first.
        files: that the model is to be asked about, or None: a missing one is told before TensorFlow is imported, for
            seconds.

    Attributes:
        folder: the path.
        saved_model: path of the newest SavedModel.
        run: content of run.json.

    Raises:
        UserError: there is no such folder, a file is missing, or it was changed; the model is for another task; one of
            ``files`` is missing.
    """

    task: str
    does: str

    def __init__(self, folder: str | os.PathLike[str], *, files: Iterable[str | os.PathLike[str] | None] = ()) -> None:
        from kerasnlp_kit.training.devices import quiet_start

        self.folder = home_filled_in(folder)
        self.files = ModelFolder(self.folder)
        self.files.verify()
        self.run = self.files.run()
        if self.run["task"] != self.task:
            scored = _SCORED_BY.get(str(self.run["task"]))
            more = f"; in Python, kit.load gives what such a model can do, and {scored} scores it." if scored else ""
            raise UserError(f"{self.folder} must be a model that {self.does}. Its task: {self.run['task']}{more}")
        if not self.run["parts"] or not all(isinstance(part, dict) for part in self.run["parts"]):
            raise UserError(f"{self.files.path / 'run.json'} must name the model's parts; train the model again.")
        self.saved_model = self.files.saved_model()
        for file in files:
            if file is not None:
                require_source(os.fspath(file))
        quiet_start()
        import tensorflow as tf

        if any(part.get("library") for part in self.run["parts"]):
            from kerasnlp_kit.text.operations import load_subword_operations

            load_subword_operations()
        try:
            self._model = tf.saved_model.load(str(self.saved_model))  # kept: the signature does not keep it alive
        except (OSError, ValueError) as error:
            raise UserError(f"{self.saved_model} is not a SavedModel: {error}") from error
        self.signatures: Any = self._model.signatures


class LoadedModel(LoadedFolder):
    """A trained classifier, ready to label texts.

    Attributes:
        labels: names of the classes, in the order of the probabilities.
        multi_label: whether a text may have several labels, or none.
        thresholds: float32 (classes,): of one label, the probability below which the model abstains (None: never); of
            several, the probability from which on a label is selected.
    """

    task = "classification"
    does = "labels texts"

    def __init__(self, folder: str | os.PathLike[str], *, files: Iterable[str | os.PathLike[str] | None] = ()) -> None:
        super().__init__(folder, files=files)
        import tensorflow as tf

        self.labels = tuple(self.files.labels())
        decision = self.run["decision"]
        self.multi_label: bool = bool(decision["multi_label"])
        self.thresholds = None if decision["thresholds"] is None else np.asarray(decision["thresholds"], "float32")
        self._longest = longest_read(self.run)
        self._classify: Any = self.signatures["serving_default"]
        shown = self._classify(text=tf.constant([""]))["labels"].numpy()[0]
        if tuple(label.decode() for label in shown) != self.labels:
            raise UserError(f"{self.files.path / 'labels.json'} does not name the labels of the SavedModel.")

    def predict(self, texts: Iterable[str | bytes]) -> list[Any]:
        """The most probable label of each text; where a text may have several, a list of the selected ones."""
        return self.answers(self.predict_proba(texts))

    def answers(self, probabilities: np.ndarray) -> list[Any]:
        """Likewise, of probabilities that `predict_proba` gave."""
        if not self.multi_label:
            return [self.labels[index] for index in probabilities.argmax(axis=1)]
        limits = 0.5 if self.thresholds is None else self.thresholds
        return list(label_lists(probabilities >= limits, self.labels))

    def abstains(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether the model leaves a text to a person: bool (texts,), of probabilities that `predict_proba` gave."""
        if self.multi_label or self.thresholds is None:
            return np.zeros(len(probabilities), bool)
        return probabilities.max(axis=1) < self.thresholds[probabilities.argmax(axis=1)]

    def predict_proba(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """Probabilities of the classes, in the order of ``labels``: float32 (texts, classes).

        Raises:
            TypeError: a single text instead of several.
        """
        import tensorflow as tf

        pieces = [np.zeros((0, len(self.labels)), "float32")]
        waiting = in_bytes(texts)
        while asked := list(itertools.islice(waiting, SORTED)):
            found = np.zeros((len(asked), len(self.labels)), "float32")
            # Rows of like length together leave less padding.
            order = np.argsort([len(text) for text in asked], kind="stable")
            begin = 0
            while begin < len(asked):
                rows = order[begin : begin + BATCH]
                # A text has no more tokens than bytes.
                rows = rows[: rows_at(min(self._longest, len(asked[rows[-1]])), BATCH)]
                found[rows] = self._classify(text=tf.constant([asked[row] for row in rows]))["probabilities"].numpy()
                begin += len(rows)
            pieces.append(found)
        return np.concatenate(pieces)


def in_bytes(texts: Iterable[str | bytes], name: str = "texts") -> Iterator[bytes]:
    """Texts in UTF-8, as a signature takes them.

    Raises:
        TypeError: a single text instead of several, or what is no text; names the argument ``name``.
    """
    from kerasnlp_kit.text.tokenizer_graph import to_bytes

    if isinstance(texts, (str, bytes)):
        raise TypeError(f"{name} must be several texts, such as a list. Received: {texts!r:.100}")
    for row, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"{name} must hold strings. Received: {text!r:.100} at row {row}")
        yield to_bytes(text)


def load(
    folder: str | os.PathLike[str],
) -> "LoadedModel | LoadedWriter | LoadedGenerator | LoadedAutoencoder":
    """Loads ``models/NAME`` as what belongs to its task.

    A classifier as `LoadedModel`, a model that writes a text for a text as `LoadedWriter`, a language model as
    `LoadedGenerator`, an autoencoder as `LoadedAutoencoder`.

    Raises:
        UserError: there is no such folder, or it is not what its manifest says.
    """
    task = task_of_folder(folder)
    if task == "seq2seq":
        from kerasnlp_kit.api.writer import LoadedWriter

        return LoadedWriter(folder)
    if task == "language_model":
        from kerasnlp_kit.api.generator import LoadedGenerator

        return LoadedGenerator(folder)
    if task == "autoencoding":
        from kerasnlp_kit.api.autoencoder import LoadedAutoencoder

        return LoadedAutoencoder(folder)
    return LoadedModel(folder)


def task_of_folder(folder: str | os.PathLike[str]) -> str:
    """The task of a model folder; that of classifiers where it cannot be read, whose loader then says why."""
    try:
        return str(ModelFolder(home_filled_in(folder)).run()["task"])
    except UserError:
        return LoadedModel.task
