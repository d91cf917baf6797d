"""Losses and measures of labels, and the graph that mixes the scores of several parts into answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from kerasnlp_kit.tasks.classification import (
    BinaryCrossEntropy,
    ClassifierGraph,
    Decision,
    MicroF1,
    NetworkScorer,
    predict_logits,
)
from kerasnlp_kit.tasks.linear import LinearModel, LinearScorer
from kerasnlp_kit.text.ngrams import NgramRules, count_ngrams
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.tokenizer import Tokenizer
from kerasnlp_kit.training.linear import choose_features

TEXTS = ["one two three", "two two four", "", "never seen", "four one one one ö", "three", "five"]
LABELS = ["bad", "fair", "好"]

# Losses and measures

TARGETS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], bool)
LOGITS = np.array([[2.0, -1.0, -0.5], [-3.0, 0.0, 4.0], [40.0, -40.0, 0.1], [-0.1, 1.5, -6.0]], "float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_the_formula_of_each_label_for_itself(smoothing):
    probabilities = 1 / (1 + np.exp(-LOGITS.astype("float64")))
    others = 1 / (1 + np.exp(LOGITS.astype("float64")))  # 1 - probabilities, which would round to 0
    target = TARGETS * (1 - smoothing) + smoothing / 2
    expected = -(target * np.log(probabilities) + (1 - target) * np.log(others)).mean(axis=1)
    for labels in (TARGETS, TARGETS.astype("int32")):
        found = BinaryCrossEntropy(smoothing, reduction=None)(labels, LOGITS)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert float(BinaryCrossEntropy(smoothing)(labels, LOGITS)) == pytest.approx(expected.mean(), rel=1e-5)


def test_binary_cross_entropy_of_extreme_logits_is_finite_and_so_is_its_gradient():
    logits = tf.Variable([[1e4, -1e4]])
    with tf.GradientTape() as tape:
        loss = BinaryCrossEntropy()(np.array([[0, 0]]), logits)
    assert float(loss) == pytest.approx(5e3)  # the mean of 10,000 and 0
    np.testing.assert_allclose(tape.gradient(loss, logits), [[0.5, 0.0]], atol=1e-6)


def test_micro_f1_over_batches_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    targets = random.random((10, 4)) < 0.4
    logits = random.normal(size=(10, 4)).astype("float32")
    metric = MicroF1(name="f1")
    for rows in (slice(0, 3), slice(3, 10)):
        metric.update_state(targets[rows].astype("int32"), logits[rows])
    assert float(metric.result()) == pytest.approx(f1_score(targets, logits > 0, average="micro"), abs=1e-6)
    metric.reset_state()
    metric.update_state(TARGETS, LOGITS)
    assert float(metric.result()) == pytest.approx(f1_score(TARGETS, LOGITS > 0, average="micro"), abs=1e-6)


def test_micro_f1_where_nothing_is_true_and_nothing_chosen_is_0():
    metric = MicroF1()
    metric.update_state(np.zeros((2, 3), bool), np.full((2, 3), -1.0, "float32"))
    assert float(metric.result()) == 0 == f1_score(np.zeros((2, 3)), np.zeros((2, 3)), average="micro", zero_division=0)


# Decision


def mixed(scores, scales):
    return sum(scale * np.asarray(score, "float64") for scale, score in zip(scales, scores, strict=True))


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def test_probabilities_are_the_softmax_of_the_scaled_sum_of_the_scores():
    scores = np.random.default_rng(0).normal(scale=3, size=(2, 5, 3)).astype("float32")
    found = Decision(scales=(0.5, 2.0)).probabilities(scores)
    np.testing.assert_allclose(found, softmax(mixed(scores, (0.5, 2.0))), rtol=1e-12)
    assert found.dtype == "float64"


def test_of_several_labels_each_has_the_sigmoid_of_its_own():
    scores = np.random.default_rng(0).normal(scale=3, size=(2, 5, 3)).astype("float32")
    found = Decision(scales=(0.5, 2.0), multi_label=True).probabilities(scores)
    np.testing.assert_allclose(found, sigmoid(mixed(scores, (0.5, 2.0))), rtol=1e-12)


def test_huge_scores_give_probabilities_and_not_nan():
    scores = [np.array([[1e5, -1e5, 0.0]])]
    np.testing.assert_array_equal(Decision().probabilities(scores), [[1, 0, 0]])
    np.testing.assert_array_equal(Decision(multi_label=True).probabilities(scores), [[1, 0, 0.5]])


def test_each_part_needs_a_scale():
    with pytest.raises(ValueError, match="longer"):
        Decision().probabilities([np.zeros((1, 2))] * 2)


# The graph


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = Tokenizer(num_words=9, oov_token="<unk>")
    tokenizer.fit_on_texts(TEXTS[:2])
    return tokenizer


def bag_of_words(classes):
    """A network whose logits are the sum of its tokens' rows of a table."""
    ids = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(9, classes)(ids)
    logits = keras.ops.sum(vectors * keras.ops.cast(ids != 0, "float32")[:, :, None], axis=1)
    network = keras.Model(ids, logits)
    network.set_weights([np.random.default_rng(1).normal(size=(9, classes))])
    return network


def linear_model(classes):
    """A linear model with random weights; of two classes it has one column."""
    rules = NgramRules(words=2, characters=(1, 3))
    features, _ = choose_features(rules, count_ngrams(rules, TEXTS[:2]), classes)
    random = np.random.default_rng(4)
    columns = 1 if classes == 2 else classes
    weights = random.normal(size=(len(features.keys), columns)).astype("float32")
    return LinearModel(features, weights, random.normal(size=columns).astype("float32"), classes)


def scores_in_numpy(tokenizer, classes):
    """Scores of TEXTS by the linear model and by the network."""
    (table,) = bag_of_words(classes).get_weights()
    ids = tokenizer.encode(TEXTS)
    rows = [ids.values[start:end] for start, end in zip(ids.offsets, ids.offsets[1:], strict=False)]
    return [linear_model(classes).scores(TEXTS), np.stack([table[row].sum(axis=0) for row in rows])]


def mixture(tokenizer, decision, labels=LABELS):
    network = NetworkScorer(bag_of_words(len(labels)), tokenizer.graph(max_length=9))
    return ClassifierGraph([LinearScorer(linear_model(len(labels))), network], labels, decision)


def numbers(tokenizer, classes):
    """The texts as the signature ``ids`` takes them."""
    ids = pad_rows(tokenizer.encode(TEXTS), np.arange(len(TEXTS)), 9)
    return {"ids": tf.constant(ids), "ngrams": tf.constant(linear_model(classes).features.numbers(TEXTS))}


def classify(graph, texts):
    """Answers; the graph is an argument because its function does not keep it alive."""
    return {name: value.numpy() for name, value in graph.classify(tf.constant(texts, tf.string)).items()}


def text_of(values):
    return [value.decode() for value in values]


@pytest.mark.parametrize("labels", [LABELS, ["no", "yes"]], ids=["three classes", "two classes"])
def test_a_mixture_of_a_linear_model_and_a_network_answers_as_numpy_computes(tokenizer, labels):
    decision = Decision(scales=(0.7, 1.3))
    scores = scores_in_numpy(tokenizer, len(labels))
    # Each part has a say: without either of them, other answers would be right.
    for alone in ((1.0, 0.0), (0.0, 1.0)):
        assert (mixed(scores, alone).argmax(axis=1) != mixed(scores, (0.7, 1.3)).argmax(axis=1)).any()
    expected = softmax(mixed(scores, (0.7, 1.3)))
    graph = mixture(tokenizer, decision, labels)
    found = classify(graph, TEXTS)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(decision.probabilities(scores), expected, atol=1e-12)
    assert text_of(found["label"]) == [labels[number] for number in expected.argmax(axis=1)]
    np.testing.assert_allclose(found["probability"], expected.max(axis=1), atol=1e-6)
    assert not found["abstain"].any()
    answers = graph.signatures()["ids"](**numbers(tokenizer, len(labels)))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    difference = answers["logits"].numpy() - mixed(scores, (0.7, 1.3))
    np.testing.assert_allclose(difference, 0, atol=1e-5)


def test_the_model_abstains_below_the_threshold_of_the_most_probable_class(tokenizer):
    expected = softmax(mixed(scores_in_numpy(tokenizer, 3), (0.7, 1.3)))
    best, probability = expected.argmax(axis=1), expected.max(axis=1)
    # For each class a threshold that its best answer reaches, and the next one not; a single answer does not either.
    thresholds = np.ones(3)
    for number in set(best.tolist()):
        own = np.sort(probability[best == number])
        thresholds[number] = own[-2:].mean() if len(own) > 1 else own[0] + 0.01
    abstains = probability < thresholds[best]
    assert np.abs(probability - thresholds[best]).min() > 1e-4
    assert abstains.any() and not abstains.all() and len(set(best.tolist())) > 1
    decision = Decision(scales=(0.7, 1.3), thresholds=tuple(thresholds))
    found = classify(mixture(tokenizer, decision), TEXTS)
    assert found["abstain"].tolist() == abstains.tolist()
    assert text_of(found["label"]) == [LABELS[number] for number in best], "the label is told all the same"


@pytest.mark.parametrize("thresholds", [None, (0.2, 0.6, 0.9)])
def test_of_several_labels_those_are_selected_that_reach_their_thresholds(tokenizer, thresholds):
    expected = sigmoid(mixed(scores_in_numpy(tokenizer, 3), (0.7, 1.3)))
    selected = expected >= np.array(thresholds or [0.5] * 3)
    assert len({tuple(row) for row in selected.tolist()}) > 2
    decision = Decision(scales=(0.7, 1.3), multi_label=True, thresholds=thresholds)
    graph = mixture(tokenizer, decision)
    found = classify(graph, TEXTS)
    assert set(found) == {"labels", "probabilities", "selected"}
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    assert found["selected"].tolist() == selected.tolist()
    answers = graph.signatures()["ids"](**numbers(tokenizer, 3))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)


def test_a_probability_equal_to_its_threshold_is_enough():
    # With no n-gram of the model only the bias speaks: here it says one half, exactly.
    model = linear_model(2)
    even = LinearModel(model.features, model.weights, np.zeros(1, "float32"), 2)
    answers = {}
    for several in (False, True):
        decision = Decision(multi_label=several, thresholds=(0.5, 0.5))
        answers[several] = classify(ClassifierGraph([LinearScorer(even)], ["no", "yes"], decision), ["ßß"])
    assert answers[False]["probabilities"].tolist() == [[0.5, 0.5]]
    assert answers[False]["abstain"].tolist() == [False]
    assert answers[True]["selected"].tolist() == [[True, True]]


@pytest.mark.parametrize("several", [False, True])
def test_no_text_has_no_answer(tokenizer, several):
    found = classify(mixture(tokenizer, Decision((0.7, 1.3), several)), [])
    shapes = {name: value.shape for name, value in found.items()}
    of_one = {"label": (0,), "probability": (0,), "abstain": (0,)}
    assert shapes == {"labels": (0, 3), "probabilities": (0, 3), **({"selected": (0, 3)} if several else of_one)}


def test_the_signature_of_numbers_takes_what_the_parts_need(tokenizer):
    linear = LinearScorer(linear_model(3))
    network = NetworkScorer(bag_of_words(3), tokenizer.graph(max_length=9))
    given = numbers(tokenizer, 3)
    for scorers, names in (([linear], {"ngrams"}), ([network], {"ids"}), ([network, linear, network], set(given))):
        decision = Decision((1.0,) * len(scorers))
        graph = ClassifierGraph(scorers, LABELS, decision)
        signature = graph.signatures()["ids"]
        assert {tensor.name.partition(":")[0] for tensor in signature.inputs if tensor.dtype == tf.int32} == names
        found = signature(**{name: given[name] for name in names})
        expected = classify(graph, TEXTS)
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)


def test_logits_are_predicted_batch_by_batch_and_stand_in_the_order_of_the_rows():
    ids = TokenIds(np.array([3, 4, 5, 3, 8], "int32"), np.array([0, 2, 2, 3, 5]))
    network = bag_of_words(3)
    (table,) = network.get_weights()
    plan = [(2, np.array([3, 0])), (1, np.array([1])), (4, np.array([2]))]
    expected = [table[3] + table[4], np.zeros(3), table[5], table[3] + table[8]]
    found = predict_logits(network, ids, plan)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == "float32"
