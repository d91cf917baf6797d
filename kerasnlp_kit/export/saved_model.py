"""Writes the SavedModel, always by a process whose Keras runs on TensorFlow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnlp_kit.constants import LINEAR
from kerasnlp_kit.export.folder import CPU_ONLY, ModelFolder

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.autoencoding_graph import AutoencodingGraph
    from kerasnlp_kit.tasks.classification import ClassifierGraph, Decision
    from kerasnlp_kit.tasks.language_graph import LanguageGraph
    from kerasnlp_kit.tasks.seq2seq_graph import Seq2SeqGraph


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
    # Not what lies in the folder that the user is in, but this package, wherever it is.
    command = [sys.executable, "-P", "-m", "kerasnlp_kit.export.saved_model", str(folder.path), str(target)]
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **CPU_ONLY, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The process that writes the SavedModel failed:\n{done.stderr[-4000:]}")
    return target


def write_saved_model(folder: ModelFolder, target: Path) -> None:
    """Builds the graph in this process and saves it."""
    import tensorflow as tf

    run = folder.run()
    graph: Any = _GRAPHS[run["task"]](folder, run)
    shutil.rmtree(target, ignore_errors=True)  # of a run that was killed while it wrote
    target.parent.mkdir(parents=True, exist_ok=True)
    # No stack traces: they hold paths of this machine and nobody needs them to serve.
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(graph, str(target), signatures=graph.signatures(), options=options)


def classifier_graph(folder: ModelFolder, run: Mapping[str, Any], labels: Sequence[str]) -> "ClassifierGraph":
    """The graph of the parts and the decision that a run.json describes, with the weights of the folder."""
    from kerasnlp_kit.tasks.classification import ClassifierGraph, NetworkScorer
    from kerasnlp_kit.tasks.linear import LinearScorer

    scorers: list[Any] = []
    for part in run["parts"]:
        if part["kind"] == LINEAR:
            scorers.append(LinearScorer(folder.linear(folder.weights(part))))
        else:
            tokenizer = folder.tokenizer().graph(max_length=part["sizes"]["max_length"])
            scorers.append(NetworkScorer(folder.build_network(part), tokenizer))
    return ClassifierGraph(scorers, labels, decision_of(run))


def seq2seq_graph(folder: ModelFolder, run: Mapping[str, Any]) -> "Seq2SeqGraph":
    """The graph of a model that writes a text for a text, as a run.json describes it."""
    from kerasnlp_kit.decoding.protocol import Limits
    from kerasnlp_kit.tasks.seq2seq_graph import Seq2SeqGraph

    (part,) = run["parts"]
    source, target = folder.pair_tokenizers(part)
    source_graph = source.graph()
    return Seq2SeqGraph(
        folder.build_network(part),
        source_graph,
        source_graph if target is source else target.graph(),
        limits=Limits(**part["limits"]),
        max_source=part["max_source"],
        copy_unknown=part["copy_unknown"],
        beam=part["beam"],
        coverage_penalty=part.get("coverage_penalty", 0.0),  # which earlier folders have not
        xla=part["xla"],
    )


def language_graph(folder: ModelFolder, run: Mapping[str, Any]) -> "LanguageGraph":
    """The graph of a language model, likewise."""
    from kerasnlp_kit.tasks.language_graph import LanguageGraph

    (part,) = run["parts"]
    graph = folder.text_tokenizer(part).graph()
    return LanguageGraph(folder.build_network(part), graph, context=part["sizes"]["context"])


def decision_of(run: Mapping[str, Any]) -> "Decision":
    """How scores become answers, as run.json says."""
    from kerasnlp_kit.tasks.classification import Decision

    thresholds = run["decision"]["thresholds"]
    scales = tuple(float(part["scale"]) for part in run["parts"])
    return Decision(scales, run["decision"]["multi_label"], tuple(thresholds) if thresholds else None)


def autoencoding_graph(folder: ModelFolder, run: Mapping[str, Any]) -> "AutoencodingGraph":
    """The graph of an autoencoder, likewise."""
    from kerasnlp_kit.tasks.autoencoding_graph import AutoencodingGraph

    (part,) = run["parts"]
    graph = folder.text_tokenizer(part).graph()
    return AutoencodingGraph(folder.build_network(part), graph, longest=part["sizes"]["context"])


_GRAPHS: Mapping[str, Callable[[ModelFolder, Mapping[str, Any]], Any]] = {  # by task
    "classification": lambda folder, run: classifier_graph(folder, run, folder.labels()),
    "seq2seq": seq2seq_graph,
    "language_model": language_graph,
    "autoencoding": autoencoding_graph,
}

if __name__ == "__main__":
    write_saved_model(ModelFolder(Path(sys.argv[1])), Path(sys.argv[2]))
