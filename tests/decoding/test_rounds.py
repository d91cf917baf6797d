import keras
import numpy as np
import pytest

from kerasnlp_kit.decoding.beam import beam
from kerasnlp_kit.decoding.one import greedy, sample

ROWS, SOURCE = 13, 4
LIMITS = np.array([1, 2, 9, 3, 9, 4, 2, 1, 7, 8, 9, 6, 5], "int32")
PREFIX = np.zeros((ROWS, 2), "int32")
PREFIX[[2, 5, 9]] = [[4, 5], [6, 0], [5, 5]]
SEEDS = np.arange(ROWS, dtype="int32") + 40
COVERED = np.arange(SOURCE)[None, :] <= np.arange(ROWS)[:, None] % SOURCE
DRAWN = {"seed": SEEDS, "temperature": 0.9, "top_k": 0, "top_p": 0.95}
BEAMS = {"size": 3, "source_mask": COVERED, "length_penalty": 0.6, "coverage_penalty": 0.2}

ways = pytest.mark.parametrize(
    ("search", "options"),
    [
        (greedy, {}),
        (greedy, {"prefix": PREFIX}),
        (sample, DRAWN),
        (sample, {**DRAWN, "prefix": PREFIX}),
        (beam, BEAMS),
        (beam, {**BEAMS, "prefix": PREFIX}),
    ],
    ids=["greedy", "greedy, prefix", "sample", "sample, prefix", "beam", "beam, prefix"],
)


def assert_alike(found, expected, beams=None):
    for name in expected._fields:
        some, others = (np.asarray(getattr(one, name))[:, :beams] for one in (found, expected))
        np.testing.assert_allclose(some, others, rtol=1e-5, err_msg=name)


@ways
@pytest.mark.parametrize("seed", range(3))
def test_rows_that_leave_when_they_have_ended_change_nothing_but_the_work(make_table, search, options, seed):
    computed = {}
    for leaving in (False, True):
        table = make_table(rows=ROWS, seed=seed)
        found = search(table, table.memory, LIMITS, 9, leaving=leaving, **options)
        computed[leaving] = (found, table.steps, table.computed)
    (stayed, steps, all_rows), (left, as_many, fewer) = computed[False], computed[True]
    assert_alike(left, stayed)
    assert as_many == steps and all_rows == steps * ROWS
    # Whenever a quarter has ended, those leave.
    lengths, expected, position = np.asarray(stayed.tokens).any(axis=1).sum(axis=1), 0, 0
    while len(lengths):
        while (lengths > position).sum() > 3 * len(lengths) // 4:
            position, expected = position + 1, expected + len(lengths)
        lengths = lengths[lengths > position]
    assert fewer == expected < all_rows


@pytest.mark.parametrize("limits", [[3], [1], [1, 1], [2, 2, 2, 2]])
@ways
def test_few_rows_and_rows_that_end_together_leave_as_well(make_table, search, options, limits):
    options = {name: value[: len(limits)] if np.ndim(value) else value for name, value in options.items()}
    found = []
    for leaving in (False, True):
        table = make_table(rows=len(limits))
        found.append(search(table, table.memory, np.array(limits, "int32"), max(limits), leaving=leaving, **options))
    assert_alike(found[1], found[0])


def test_where_only_the_best_is_wanted_its_row_leaves_as_soon_as_it_is_known(make_table):
    found, computed = [], []
    for leaving in (False, True):
        table = make_table(rows=ROWS)
        found.append(beam(table, table.memory, LIMITS, 9, best_only=True, leaving=leaving, **BEAMS))
        computed.append(table.computed)
    assert_alike(found[1], found[0], beams=1)
    assert computed[1] < computed[0]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow")
@pytest.mark.parametrize("known", ["nothing", "everything", "the prefix", "the limits", "the memory"])
@pytest.mark.parametrize("search", [greedy, beam])
def test_in_a_graph_it_does_not_matter_which_numbers_of_rows_are_known(make_table, search, known):
    import tensorflow as tf

    table = make_table(rows=ROWS)

    def write(rows, limits, prefix, covered):
        options = {"size": 3, "source_mask": covered} if search is beam else {}
        return search(table, {"rows": rows}, limits, 9, prefix=prefix, leaving=True, **options)

    given = [table.memory["rows"], LIMITS, PREFIX, COVERED]
    names = ["the memory", "the limits", "the prefix", "the mask"]
    specs = [
        tf.TensorSpec(array.shape if known in (name, "everything") else [None] * array.ndim, array.dtype)
        for name, array in zip(names, given, strict=True)
    ]
    expected = write(*given)
    assert_alike(tf.function(write, input_signature=specs, autograph=False)(*map(tf.constant, given)), expected)
