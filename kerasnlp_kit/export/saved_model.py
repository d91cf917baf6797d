"""Writes the SavedModel, always by a process whose Keras runs on TensorFlow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kerasnlp_kit.export.folder import CPU_ONLY, ModelFolder


def export_saved_model(folder: ModelFolder, version: int) -> Path:
    """Writes ``saved_model/VERSION`` from run.json, tokenizer.json, labels.json and the weights of the folder.

    If Keras runs on another backend here, a process of its own does it.

    Returns:
        Path of the SavedModel.
    """
    import keras

    target = folder.path / "saved_model" / str(version)
    if keras.backend.backend() == "tensorflow":
        write_saved_model(folder, target)
        return target
    command = [sys.executable, "-m", "kerasnlp_kit.export.saved_model", str(folder.path), str(target)]
    environment = {**os.environ, **CPU_ONLY, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The process that writes the SavedModel failed:\n{done.stderr[-4000:]}")
    return target


def write_saved_model(folder: ModelFolder, target: Path) -> None:
    """Builds the graph in this process and saves it."""
    import tensorflow as tf

    from kerasnlp_kit.tasks.classification import ClassifierGraph
    from kerasnlp_kit.text.tokenizer import Tokenizer

    run = folder.run()
    tokenizer = Tokenizer.from_json((folder.path / "tokenizer.json").read_text(encoding="utf-8"))
    graph = ClassifierGraph(
        folder.build_network(), tokenizer.graph(max_length=run["sizes"]["max_length"]), folder.labels()
    )
    shutil.rmtree(target, ignore_errors=True)  # of a run that was killed while it wrote
    target.parent.mkdir(parents=True, exist_ok=True)
    # No stack traces: they hold paths of this machine and nobody needs them to serve.
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(graph, str(target), signatures=graph.signatures(), options=options)


if __name__ == "__main__":
    write_saved_model(ModelFolder(Path(sys.argv[1])), Path(sys.argv[2]))
