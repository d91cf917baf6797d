"""What the weights start from: an earlier model, word vectors, frozen layers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder, manifest_digest
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.text.vectors import read_vectors

HEAD = "logits"


def require_same_text(config: RunConfig, earlier: ModelFolder) -> None:
    """Texts must become tokens as they did in the earlier model, whose embedding knows them.

    Raises:
        UserError: an option says otherwise.
    """
    before = earlier.run()["options"]
    for option in dataclasses.fields(config.text):
        value = getattr(config.text, option.name)
        if option.name != "vectors" and value != before.get(option.name):
            raise UserError(
                f"--from {earlier.path} takes over how texts become tokens: leave out {flag_of(option.name)}. "
                f"Received: {value}, there: {before.get(option.name)}"
            )


def load_vectors(path: str, tokenizer: Any, say: Say) -> tuple[np.ndarray, np.ndarray]:
    """Word vectors of a tokenizer's vocabulary.

    Returns:
        float32 (vocabulary, dimensions), and bool (vocabulary,): which words were found.
    """
    matrix, found = read_vectors(path, tokenizer.vocabulary())
    say(f"{path}: vectors of {matrix.shape[1]} dimensions for {int(found.sum()):,} of {len(found) - 2:,} words")
    return matrix, found


def put_vectors(network: Any, matrix: np.ndarray, found: np.ndarray) -> None:
    """Sets the rows of the embedding that were found; the others keep their random start."""
    layer = network.get_layer("embedding")
    weights = np.array(layer.get_weights()[0])
    # Random rows get the spread of the given ones, so that known words do not drown unknown ones or the reverse.
    weights *= matrix[found].std() / max(float(weights.std()), 1e-8)
    weights[found] = matrix[found]
    layer.set_weights([weights])


def put_earlier_weights(network: Any, model: str, labels: Sequence[str], earlier: ModelFolder, say: Say) -> None:
    """Copies the weights of an earlier model, layer by layer; classes of the same name keep their column.

    Of another model than `model`, the network's, only the embedding is taken.

    Raises:
        UserError: a layer is missing there or has another shape.
    """
    part = earlier.network_part()
    source = earlier.build_network(part)
    if part["model"] != model:
        _copy_embedding(network, source, part["model"], earlier, say)
        return
    known = {layer.name: layer for layer in source.layers}
    for layer in network.layers:
        own = layer.get_weights()
        if not own:
            continue
        found = known[layer.name].get_weights() if layer.name in known else []
        if layer.name == HEAD:
            shared = _copy_head(own, found, labels, earlier.labels())
            say(f"{earlier.path}: weights taken over; {shared} of {len(labels)} classes were known there")
            layer.set_weights(own)
        elif [w.shape for w in own] == [w.shape for w in found]:
            layer.set_weights(found)
        else:
            raise UserError(
                f"Layer {layer.name!r} does not fit the one of {earlier.path}: leave out the options that change the "
                f"model's sizes. Received: {[w.shape for w in own]}, there: {[w.shape for w in found]}"
            )


def _copy_embedding(network: Any, source: Any, model: str, earlier: ModelFolder, say: Say) -> None:
    own, found = (one.get_layer("embedding").get_weights() for one in (network, source))
    if [w.shape for w in own] != [w.shape for w in found]:
        raise UserError(
            f"The embedding does not fit the one of {earlier.path}: leave out the options that change its size. "
            f"Received: {[w.shape for w in own]}, there: {[w.shape for w in found]}"
        )
    network.get_layer("embedding").set_weights(found)
    say(f"{earlier.path}: the embedding is taken over; {model} is another kind of network, whose layers do not fit")


def _copy_head(own: list[np.ndarray], found: list[np.ndarray], labels: Sequence[str], before: Sequence[str]) -> int:
    if len(own) != len(found) or own[0].shape[0] != found[0].shape[0]:
        return 0
    position = {label: number for number, label in enumerate(before)}
    shared = [(number, position[label]) for number, label in enumerate(labels) if label in position]
    for new, old in shared:
        for target, values in zip(own, found, strict=True):
            target[..., new] = values[..., old]
    return len(shared)


def freeze(network: Any, names: Sequence[str]) -> list[str]:
    """Makes layers keep their weights.

    Args:
        network: not compiled yet.
        names: names of layers, or how they start.

    Returns:
        Names of the frozen layers.

    Raises:
        UserError: a name fits no layer with weights, or nothing is left to train.
    """
    layers = [layer for layer in network.layers if layer.weights]
    frozen = []
    for name in names:
        fitting = [layer for layer in layers if layer.name.startswith(name)]
        if not fitting:
            raise UserError(f"--freeze {name}: no such layer; there are: {', '.join(layer.name for layer in layers)}.")
        for layer in fitting:
            layer.trainable = False
            frozen.append(layer.name)
    if not network.trainable_variables:
        raise UserError(f"--freeze {' '.join(names)} leaves nothing to train.")
    return frozen


def ancestry(earlier: ModelFolder | None) -> list[dict[str, Any]]:
    """The line of models that this one comes from, nearest first, for run.json."""
    if earlier is None:
        return []
    run = earlier.run()
    train = run["data"].get("train")
    fingerprint = train.get("fingerprint") if isinstance(train, dict) else None
    told = [fingerprint, run.get("finished")]
    for one in run["ancestry"]:
        told += [one.get("model"), one.get("manifest")] if isinstance(one, dict) else [one, None]
    if not all(isinstance(fact, str) for fact in told):
        raise UserError(
            f"{earlier.path / 'run.json'} must tell the data, when it was finished, and model and manifest of each "
            "ancestor; train the model again."
        )
    entry = {
        "model": str(earlier.path),
        "manifest": manifest_digest(earlier),
        "data": fingerprint,
        "finished": run["finished"],
    }
    return [entry, *run["ancestry"]]
