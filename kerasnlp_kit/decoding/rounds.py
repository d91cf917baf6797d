"""The loop of every search: one step after the other, for rows that end at different times."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

State = dict[str, Any]
"""Nested arrays (batch, ...), by name."""


def given(memory: Any, limits: Any, prefix: Any) -> State:
    """What every search is given of each row; no prefix is no array."""
    return {"memory": memory, "limits": limits} | ({} if prefix is None else {"prefix": prefix})


def run(
    step: Callable[[Any, State], State],
    busy: Callable[[State], Any],
    state: State,
    length: Any,
    *,
    wanted: tuple[str, ...],
    leaving: bool,
) -> State:
    """Steps until every row has ended, or up to ``length``.

    Args:
        step: position, int32 (), and state to the state after it; what a row gets must depend on this row alone, but
            for rounding.
        busy: state to bool (batch,), rows that have not ended.
        state: what a step reads, the memory of the sources among it.
        length: most steps.
        wanted: names of the arrays that are asked for.
        leaving: whether rows that have ended leave the loop, so that a step takes less time. The arrays become shorter
            then, which no compiler for fixed shapes can do: not under XLA, and they never do on other backends than
            TensorFlow.

    Returns:
        The arrays that are asked for, of all rows.
    """
    if not leaving or keras.backend.backend() != "tensorflow":
        _, state = _steps(step, lambda state: ops.any(busy(state)), state, length, ops.zeros((), "int32"))
        return {name: state[name] for name in wanted}
    whole = {name: state[name] for name in wanted}
    rows = ops.arange(ops.shape(whole[wanted[0]])[0], dtype="int32")
    if any(array.shape[0] is not None for array in (rows, *keras.tree.flatten(state))):
        # A graph takes a number of rows that it knows for one that stays.
        rows = _true(ops.ones_like(rows, "bool"))
        state = _of_rows(state, rows)

    def any_row(position: Any, rows: Any, state: State, whole: State) -> Any:
        return ops.logical_and(position < length, ops.shape(rows)[0] > 0)

    def round_(position: Any, rows: Any, state: State, whole: State) -> tuple[Any, Any, State, State]:
        # Leaving costs about as much as half a step: it is worth it for a quarter of the rows.
        left = 3 * ops.shape(rows)[0] // 4

        def more_are_busy(state: State) -> Any:
            return ops.sum(ops.cast(busy(state), "int32")) > left

        position, state = _steps(step, more_are_busy, state, length, position)
        whole = {name: ops.scatter_update(whole[name], rows[:, None], state[name]) for name in wanted}
        going_on = _true(busy(state))
        return position, ops.take(rows, going_on, axis=0), _of_rows(state, going_on), whole

    _, _, _, whole = ops.while_loop(any_row, round_, (ops.zeros((), "int32"), rows, state, whole))
    return whole


def _true(rows: Any) -> Any:
    """Numbers of the rows that are true: bool (batch,) to int32 (n,)."""
    return ops.cast(ops.nonzero(rows)[0], "int32")


def _of_rows(state: State, rows: Any) -> State:
    return keras.tree.map_structure(lambda array: ops.take(array, rows, axis=0), state)


def _steps(
    step: Callable[[Any, State], State], going_on: Callable[[State], Any], state: State, length: Any, position: Any
) -> tuple[Any, State]:
    """Steps as long as the state says, at most up to ``length``."""
    return ops.while_loop(
        lambda position, state: ops.logical_and(position < length, going_on(state)),
        lambda position, state: (position + 1, step(position, state)),
        (position, state),
    )
