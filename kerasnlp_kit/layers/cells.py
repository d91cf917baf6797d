"""Recurrent layers, for all positions at once and step by step."""

from typing import Any, Literal

import keras
from keras import ops

Cell = Literal["lstm", "gru"]

RECURRENT = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
STATES = {"lstm": 2, "gru": 1}  # arrays that a layer carries from step to step; the first is its output


def recurrent_layers(cell: Cell, layers: int, units: int, features: int) -> list[Any]:
    """Layers in one direction, one above the other.

    Args:
        cell: their kind.
        layers: how many.
        units: of each.
        features: of what the lowest reads.
    """
    made = []
    for number in range(1, layers + 1):
        layer = RECURRENT[cell](units, return_sequences=True, name=f"recurrent_{number}")
        layer.build((None, None, features))
        made.append(layer)
        features = units
    return made


def advance(
    layers: list[Any], hidden: Any, states: list[list[Any]], shares: list[Any] | None = None
) -> tuple[Any, list[list[Any]]]:
    """One step of all layers.

    Args:
        layers: from `recurrent_layers`.
        hidden: float (batch, beam, features), what the lowest reads.
        states: of each layer, each float (batch, beam, units).
        shares: of each layer, what its input is multiplied by, or None.

    Returns:
        Output of the last layer, float (batch, beam, units), and the new states.
    """
    batch, beam = ops.shape(hidden)[:2]
    after = []
    for layer, own, share in zip(layers, states, shares or [None] * len(layers), strict=True):
        hidden = times(hidden, share)
        rows = ops.reshape(hidden, (batch * beam, hidden.shape[-1]))  # cells know no beams
        _, new = layer.cell(rows, [ops.reshape(state, (batch * beam, layer.units)) for state in own])
        new = new if isinstance(new, (list, tuple)) else [new]
        after.append([ops.reshape(state, (batch, beam, layer.units)) for state in new])
        hidden = after[-1][0]
    return hidden, after


def for_each_beam(states: list[list[Any]], beam: Any) -> list[list[Any]]:
    """First states float (batch, units) of each layer, repeated: float (batch, beam, units)."""
    return [
        [ops.broadcast_to(state[:, None], (ops.shape(state)[0], beam, state.shape[-1])) for state in own]
        for own in states
    ]


def times(hidden: Any, shares: Any) -> Any:
    """The product, or ``hidden`` itself where there are no shares."""
    return hidden if shares is None else hidden * shares


def dense(units: int, features: int, name: str, activation: str | None = None, **options: Any) -> keras.layers.Dense:
    """A dense layer that is built already."""
    layer = keras.layers.Dense(units, activation, name=name, **options)
    layer.build((None, None, features))
    return layer
