import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from kerasnlp_kit.tasks.linear import LinearModel, LinearScorer, sum_of
from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules, count_ngrams
from kerasnlp_kit.training.linear import ABSENT, SMOOTHING, choose_features, lowest, naive_bayes, solve

RULES = NgramRules()
EXACT = {"tol": 1e-7, "max_iter": 100_000}
REFERENCE = {
    "svm": lambda strength: LinearSVC(C=strength, **EXACT),
    # Of the reference the bias is not regularised unless it is solved by LIBLINEAR.
    "logistic": lambda strength: LogisticRegression(C=strength, solver="liblinear", **EXACT),
}

every_solver = pytest.mark.parametrize("solver", REFERENCE)


def counts_of(*texts):
    """Counts of texts whose n-grams are numbers, each as often as it stands there."""
    rows, keys, counts = [], [], []
    for row, text in enumerate(texts):
        distinct, times = np.unique(text, return_counts=True)
        rows += [row] * len(distinct)
        keys += distinct.tolist()
        counts += times.tolist()
    return NgramCounts(np.array(rows), np.array(keys), np.array(counts, "int32"), len(texts))


def separable_data(classes=3, rows=60, seed=0):
    """A sparse matrix of which some columns tell the class, most of the time."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    values = random.random((rows, 12)) * (random.random((rows, 12)) < 0.3)
    values[np.arange(rows), labels] += 0.5 + random.random(rows)
    return scipy.sparse.csr_matrix(values / np.linalg.norm(values, axis=1, keepdims=True)), labels


def margins(matrix, solution):
    weights, bias = solution
    return matrix @ weights.astype("float64") + bias


# Features


def test_features_are_the_ngrams_in_order_with_their_rarity():
    features, left_out = choose_features(RULES, counts_of([5, -3, 5], [7, 5], [-3, 9, 5], []), 2)
    assert features.rules is RULES
    assert features.keys.tolist() == [-3, 5, 7, 9]
    # In 2, 3, 1 and 1 of 4 texts: ln(5 / 3) + 1, ln(5 / 4) + 1, ln(5 / 2) + 1.
    expected = np.log([5 / 3, 5 / 4, 5 / 2, 5 / 2]) + 1
    np.testing.assert_allclose(features.idf, expected, rtol=1e-6)
    assert (features.keys.dtype, features.idf.dtype, left_out) == (np.int64, np.float32, 0)


def test_rare_ngrams_are_left_out_if_asked_for_but_not_counted_as_too_many():
    features, left_out = choose_features(RULES, counts_of([5, 1, 1], [7, 5], [3, 5, 7]), 2, least_texts=2)
    assert (features.keys.tolist(), left_out) == ([5, 7], 0)
    assert len(choose_features(RULES, counts_of([1, 1], [2]), 2, least_texts=2)[0].keys) == 0


@pytest.mark.parametrize(
    ("classes", "multi_label", "bytes_each"),
    # Key 8, number 4, rarity 4, and 4 for each column of weights; two exclusive classes need one.
    [(2, False, 20), (2, True, 24), (3, False, 28), (100, False, 416)],
)
def test_of_too_many_ngrams_those_in_the_most_texts_are_kept(classes, multi_label, bytes_each):
    counts = counts_of([1, 2, 3, 4, 5, 6], [2, 3, 4], [4, 6, -2], [3, 6])
    for most, kept in ((3, [3, 4, 6]), (4, [2, 3, 4, 6]), (7, [-2, 1, 2, 3, 4, 5, 6])):
        most_bytes = most * bytes_each + bytes_each // 2
        features, left_out = choose_features(
            RULES, counts, classes, megabytes=most_bytes / 1e6, multi_label=multi_label
        )
        assert (features.keys.tolist(), left_out) == (kept, 7 - most)


def test_of_ngrams_in_equally_many_texts_the_choice_does_not_depend_on_the_order_of_the_texts():
    random = np.random.default_rng(0)
    texts = [random.integers(-50, 50, 6).tolist() for _ in range(20)]
    chosen = set()
    for _ in range(5):
        features, left_out = choose_features(RULES, counts_of(*texts), 2, megabytes=25 * 20 / 1e6)
        assert left_out > 0
        chosen.add(tuple(features.keys.tolist()))
        random.shuffle(texts)
    assert len(chosen) == 1


def test_at_least_one_ngram_is_kept():
    assert len(choose_features(RULES, counts_of([1, 2, 3]), 2, megabytes=0)[0].keys) == 1


@pytest.mark.parametrize("classes", [2, 40])
def test_a_saved_model_is_as_large_as_was_reckoned(tmp_path, classes):
    random = np.random.default_rng(0)
    texts = ["".join(map(chr, random.integers(97, 123, 40))) for _ in range(200)]
    most = 1_000_000
    features, left_out = choose_features(RULES, count_ngrams(RULES, texts), classes, megabytes=most / 1e6)
    columns = 1 if classes == 2 else classes
    weights = random.normal(size=(len(features.keys), columns)).astype("float32")
    scorer = LinearScorer(LinearModel(features, weights, np.zeros(columns, "float32"), classes))
    scorer.texts = tf.function(scorer.from_texts, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(scorer, str(tmp_path), options=tf.saved_model.SaveOptions(save_debug_info=False))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    reckoned = most if left_out else len(features.keys) * (16 + 4 * columns)
    graph = 150_000  # everything that does not grow with the features
    assert reckoned * 0.99 < size < reckoned + graph


# Solutions


@every_solver
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("strength", [0.3, 3.0])
def test_margins_are_those_of_scikit_learn(solver, classes, strength):
    matrix, labels = separable_data(classes)
    weights, bias = solve(matrix, labels, classes, strength, solver)
    columns = 1 if classes == 2 else classes
    assert (weights.shape, bias.shape) == ((12, columns), (columns,))
    assert (weights.dtype, bias.dtype) == ("float32", "float32")
    for column in range(columns):
        target = labels == (1 if classes == 2 else column)
        expected = REFERENCE[solver](strength).fit(matrix, target).decision_function(matrix)
        np.testing.assert_allclose(margins(matrix, (weights, bias))[:, column], expected, atol=0.02)
    scores = LinearModel(None, weights, bias, classes).scores_of(matrix)
    assert (scores.argmax(axis=1) == labels).mean() > 0.8


@every_solver
def test_several_labels_a_row_are_solved_one_by_one(solver):
    matrix, labels = separable_data(3)
    targets = np.stack([labels == 0, labels != 1, labels == 1, labels > 5, labels < 5], axis=1)
    weights, bias = solve(matrix, targets, 5, 1.0, solver)
    found = margins(matrix, (weights, bias))
    for column in range(3):
        expected = REFERENCE[solver](1.0).fit(matrix, targets[:, column]).decision_function(matrix)
        np.testing.assert_allclose(found[:, column], expected, atol=0.02)
    # No row has the fourth label, all have the fifth.
    np.testing.assert_array_equal(found[:, 3:], np.tile([ABSENT, -ABSENT], (60, 1)))


def test_two_labels_that_may_go_together_have_a_column_each():
    matrix, labels = separable_data(2)
    weights, bias = solve(matrix, np.stack([labels == 0, labels == 1], axis=1), 2, 1.0)
    assert (weights.shape, bias.shape) == ((12, 2), (2,))
    np.testing.assert_allclose(weights[:, 0], -weights[:, 1], atol=0.02)


@every_solver
@pytest.mark.parametrize(("present", "classes"), [([0, 2], 4), ([1, 2, 3], 5), ([3], 4), ([0], 2), ([1], 2)], ids=str)
def test_a_class_without_a_row_never_wins(solver, present, classes):
    matrix, labels = separable_data(len(present))
    labels = np.array(present)[labels]
    weights, bias = solve(matrix, labels, classes, 1.0, solver)
    scores = LinearModel(None, weights, bias, classes).scores_of(matrix)
    assert scores.shape == (60, classes)
    assert np.isfinite(scores).all()
    assert (scores.argmax(axis=1) == labels).mean() > 0.8
    absent = sorted({*range(classes)} - {*present})
    assert (scores[:, absent].max(axis=1) < scores[:, present].min(axis=1) - 1).all()


@every_solver
@pytest.mark.parametrize("kind", ["two classes", "three classes", "labels"])
def test_a_row_that_weighs_twice_counts_as_two_and_one_that_weighs_nothing_as_none(solver, kind):
    matrix, labels = separable_data(2 if kind == "two classes" else 3)
    classes = int(labels.max()) + 1
    if kind == "labels":
        labels = np.stack([labels == number for number in range(classes)], axis=1)
    times = np.random.default_rng(1).integers(0, 3, 60)
    rows = np.repeat(np.arange(60), times)
    weighted = margins(matrix, solve(matrix, labels, classes, 1.0, solver, times.astype(float)))
    repeated = margins(matrix, solve(matrix[rows], labels[rows], classes, 1.0, solver))
    unweighted = margins(matrix, solve(matrix, labels, classes, 1.0, solver))
    np.testing.assert_allclose(weighted, repeated, atol=0.02)
    assert np.abs(weighted - unweighted).max() > 0.1


@every_solver
def test_the_same_rows_always_give_the_same_solution(solver):
    matrix, labels = separable_data()
    first = solve(matrix, labels, 3, 1.0, solver)
    solve(matrix, labels, 3, 0.3, solver)
    for found, expected in zip(solve(matrix, labels, 3, 1.0, solver), first, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_the_lowest_of_a_valley_is_found_without_asking_twice(count):
    for bottom in range(count):
        asked = []

        def cost(value, bottom=bottom, asked=asked):
            asked.append(value)
            return abs(value - 10 * bottom)

        assert lowest([10 * place for place in range(count)], cost) == 10 * bottom
        assert len(asked) == len(set(asked))
        if count == 4 and bottom == 2:
            assert sorted(asked) == [10, 20, 30], "the farthest one is not tried"


def test_a_solution_that_did_not_converge_is_taken_without_a_warning():
    matrix, labels = separable_data(2)
    labels[:20] = 1 - labels[:20]  # nothing separates them, and an enormous C insists
    with pytest.warns(ConvergenceWarning):
        LinearSVC(C=1e6, dual=True, random_state=0).fit(matrix, labels)
    weights, bias = solve(matrix, labels, 2, 1e6)
    assert np.isfinite(weights).all()
    assert np.isfinite(bias).all()


# Naive Bayes


@pytest.mark.parametrize("classes", [2, 3])
def test_naive_bayes_weighs_features_by_the_logarithm_of_their_share_of_each_class(classes):
    matrix, labels = separable_data(classes)
    model = LinearModel(None, *naive_bayes(matrix, labels, classes), classes)
    values = matrix.toarray()
    sums = np.array([values[labels == number].sum(axis=0) + SMOOTHING for number in range(classes)])
    expected = values @ np.log(sums / sums.sum(axis=1, keepdims=True)).T
    scores = model.scores_of(matrix)
    # What is added to all scores of a row does not matter; of two classes only the difference is kept.
    np.testing.assert_allclose(scores - scores[:, :1], expected - expected[:, :1], atol=1e-5)
    reference = MultinomialNB(alpha=SMOOTHING, fit_prior=False).fit(matrix, labels)
    np.testing.assert_array_equal(scores.argmax(axis=1), reference.predict(matrix))
    assert model.weights.shape[1] == (1 if classes == 2 else classes)


def test_naive_bayes_of_several_labels_a_row_is_one_for_each():
    matrix, labels = separable_data(3)
    several = np.stack([labels == 0, labels != 1, labels < 5], axis=1)
    weights, bias = naive_bayes(matrix, several, 3)
    for column in (0, 1):
        alone, _ = naive_bayes(matrix, several[:, column].astype(int), 2)
        np.testing.assert_array_equal(weights[:, [column]], alone)
    assert not weights[:, 2].any() and not bias.any(), "a label that all rows have says nothing"


@pytest.mark.parametrize(("present", "classes"), [([0, 2], 4), ([1, 2, 3], 5), ([0], 2)], ids=str)
def test_for_naive_bayes_a_class_without_a_row_is_never_likelier_than_the_others(present, classes):
    matrix, labels = separable_data(len(present))
    model = LinearModel(None, *naive_bayes(matrix, np.array(present)[labels], classes), classes)
    scores = model.scores_of(matrix)
    absent = [number for number in range(classes) if number not in present]
    assert (scores[:, absent].max(axis=1) <= scores[:, present].min(axis=1) + 1e-6).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_sum_of_models_gives_the_sum_of_their_scores(classes):
    matrix, labels = separable_data(classes)
    models = [
        LinearModel(None, *found, classes)
        for found in (solve(matrix, labels, classes, 1.0), naive_bayes(matrix, labels, classes))
    ]
    joined = sum_of(models, [2.5, 0.3])
    expected = 2.5 * models[0].scores_of(matrix) + 0.3 * models[1].scores_of(matrix)
    np.testing.assert_allclose(joined.scores_of(matrix), expected, atol=1e-5)
    assert joined.weights.dtype == joined.bias.dtype == np.float32
