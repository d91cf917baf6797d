import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from kerasnlp_kit.data import read_table
from kerasnlp_kit.tasks.linear import LinearModel, LinearScorer, NgramFeatures
from kerasnlp_kit.text.ngrams import NgramRules, count_ngrams
from kerasnlp_kit.text.splitting import SplitRules, compiled_normalize, compiled_tokenize

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "data"  # beside the checkout, where there is one
RULES = NgramRules()
START = "<start>"  # no word, as it holds punctuation
TEXTS = (
    "What is the fee for a card payment?",
    "My card was declined, declined, declined!",
    "这家酒店很好，服务热情，下次还会来。",
    "房间太小。酒店太吵",
    "the the the cat",
    "a",
    "cash cash withdrawal fee fee fee fee",
)
LABELS = np.array([0, 1, 2, 2, 1, 0, 0])
UNSEEN = ["", " \t\n", "ßß ññ", "The fee? declined. 酒店 fee", "cash!", "zz a zz", "的", b"\xff a \x00", "fee " * 300]


# The same by scikit-learn. How words are split is not in question here: both sides take them from SplitRules.


@functools.cache
def split_words(text):
    words = compiled_tokenize(SplitRules(keep_punctuation=True))(tf.constant([text])).values.numpy()
    return [word.decode() for word in words]


@functools.cache
def normalize(text):
    return compiled_normalize(SplitRules())(tf.constant([text])).numpy()[0].decode()


def word_ngrams(text):
    words = split_words(text)
    return [*words, *map(" ".join, itertools.pairwise([START, *words]))]


def vectorizers():
    words = TfidfVectorizer(analyzer=word_ngrams, sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, preprocessor=normalize)
    return words, characters


def as_text(text):
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def keys_of(words, characters):
    """Keys of scikit-learn's features: each n-gram is looked for where it begins in a text of its own."""
    alone = [*(ngram.removeprefix(START) for ngram in words), *(ngram.strip() for ngram in characters)]
    pairs = RULES.keys(tf.constant(alone))
    (word_rows, word_keys), (rows, keys) = [(rows.numpy(), keys.numpy()) for rows, keys in pairs]
    # The start stands before the text; the n-gram begins with it or after it.
    first = np.searchsorted(word_rows, np.arange(len(words)))
    first = first + [not ngram.startswith(START) for ngram in words]
    found = [word_keys[first, np.array([ngram.count(" ") for ngram in words])]]
    # A blank stands before the text; the n-gram begins with it or after it.
    first = np.searchsorted(rows, np.arange(len(words), len(words) + len(characters)))
    first = first + [ngram[0] != " " for ngram in characters]
    found.append(keys[first, np.array([len(ngram) for ngram in characters]) - 2])
    return np.concatenate(found)


def copied(pipeline, classes):
    """The LinearModel with the solution of a pipeline of scikit-learn."""
    union, solution = pipeline[0], pipeline[1]
    parts = [part for _, part in union.transformer_list]
    keys = keys_of(*(part.get_feature_names_out().tolist() for part in parts))
    order = np.argsort(keys)
    idf = np.concatenate([part.idf_ for part in parts])
    weights = solution.coef_.T[order].astype("float32")
    features = NgramFeatures(RULES, keys[order], idf[order].astype("float32"))
    return LinearModel(features, weights, solution.intercept_.astype("float32"), classes)


@functools.cache
def features_of(texts):
    """Features of scikit-learn's vectorizers, in the order of the keys, and their values in any texts."""
    parts = [part.fit(texts) for part in vectorizers()]
    keys = keys_of(*(part.get_feature_names_out().tolist() for part in parts))
    order = np.argsort(keys)
    idf = np.concatenate([part.idf_ for part in parts])[order].astype("float32")

    def values(others):
        others = [as_text(text) for text in others]
        return scipy.sparse.hstack([part.transform(others) for part in parts]).toarray()[:, order]

    return NgramFeatures(RULES, keys[order], idf), values


def random_model(columns, classes):
    random = np.random.default_rng(0)
    features, _ = features_of(TEXTS)
    weights = random.normal(size=(len(features.keys), columns)).astype("float32")
    return LinearModel(features, weights, random.normal(size=columns).astype("float32"), classes)


# Of two exclusive classes one column; of two that may go together two; of 40 more than one slice of the weights.
MODELS = {"two classes": (1, 2), "two labels": (2, 2), "three classes": (3, 3), "forty classes": (40, 40)}
every_model = pytest.mark.parametrize(("columns", "classes"), MODELS.values(), ids=MODELS)


def compiled(scorer):
    """Asks the scorer's graph, which is made once."""
    graph = tf.function(scorer.from_texts, input_signature=[tf.TensorSpec([None], tf.string)])
    return lambda texts: graph(tf.constant(texts, tf.string, [len(texts)])).numpy()


def ask(scorer, texts):
    return compiled(scorer)(texts)


# Values


def test_values_are_those_of_scikit_learns_tfidf_of_words_beside_characters():
    features, values = features_of(TEXTS)
    for texts in (TEXTS, UNSEEN):
        found = features.matrix(count_ngrams(RULES, texts))
        np.testing.assert_allclose(found.toarray(), values(texts), atol=1e-6)
    assert (values(UNSEEN)[3] > 0).sum() > 5


def test_a_text_without_known_ngrams_has_no_value():
    features, _ = features_of(TEXTS)
    matrix = features.matrix(count_ngrams(RULES, ["", "ßß", "fee"]))
    assert matrix.getnnz(axis=1).tolist()[:2] == [0, 0]
    assert np.isfinite(matrix.data).all()


@every_model
def test_numbers_name_each_feature_as_often_as_it_occurs(columns, classes):
    features = random_model(columns, classes).features
    number_of = {key: number for number, key in enumerate(features.keys.tolist(), start=1)}
    numbers = features.numbers(UNSEEN)
    assert numbers.dtype == np.int32
    for text, row in zip(UNSEEN, numbers, strict=True):
        counts = count_ngrams(RULES, [text])
        pairs = zip(counts.keys.tolist(), counts.counts.tolist(), strict=True)
        expected = [number_of[key] for key, count in pairs if key in number_of for _ in range(count)]
        assert sorted(row[: len(expected)].tolist()) == sorted(expected)
        assert not row[len(expected) :].any(), "padding stands on the right"
    assert features.numbers([]).shape == (0, 1)
    assert features.numbers(["", "ßß"]).tolist() == [[0], [0]]


# Decisions


def decisions(pipeline, texts):
    found = pipeline.decision_function([as_text(text) for text in texts])
    return found if found.ndim == 2 else np.stack([-found / 2, found / 2], axis=1)


def one_for_each_class(logistic):
    """OneVsRestClassifier with the attributes of a linear model."""
    logistic.coef_ = np.concatenate([one.coef_ for one in logistic.estimators_])
    logistic.intercept_ = np.concatenate([one.intercept_ for one in logistic.estimators_])


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("solver", [LinearSVC(C=3), LogisticRegression(C=3)], ids=["svm", "logistic"])
def test_the_decisions_are_those_of_the_pipeline_it_came_from(solver, classes):
    pipeline = make_pipeline(make_union(*vectorizers()), solver).fit(TEXTS, LABELS % classes)
    model = copied(pipeline, classes)
    for texts in (TEXTS, UNSEEN):
        expected = decisions(pipeline, texts)
        assert expected.shape == (len(texts), classes)
        np.testing.assert_allclose(model.scores(texts), expected, atol=1e-6)
        np.testing.assert_allclose(ask(LinearScorer(model), texts), expected, atol=1e-5)


def test_several_labels_for_a_text_are_scored_as_by_one_classifier_for_each():
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0]])
    pipeline = make_pipeline(make_union(*vectorizers()), OneVsRestClassifier(LogisticRegression(C=3)))
    pipeline.fit(TEXTS, labels)
    one_for_each_class(pipeline[1])
    model = copied(pipeline, 3)
    expected = pipeline.decision_function([as_text(text) for text in UNSEEN])
    np.testing.assert_allclose(model.scores(UNSEEN), expected, atol=1e-6)
    np.testing.assert_allclose(ask(LinearScorer(model), UNSEEN), expected, atol=1e-5)


@pytest.mark.parametrize(("data", "rows"), [("trec6", 300), ("chnsenticorp", 50)])
def test_the_decisions_on_public_data_are_those_of_the_pipeline(data, rows):
    if not (PUBLIC / data).exists():
        pytest.skip(f"{data} is not here")
    train = read_table(PUBLIC / data / "train.csv", ["text", "label"]).data.slice(0, rows).to_pydict()
    others = read_table(PUBLIC / data / "test.csv", ["text"]).data["text"].to_pylist()[:rows]
    classes = len(set(train["label"]))
    pipeline = make_pipeline(make_union(*vectorizers()), LinearSVC(C=1)).fit(train["text"], train["label"])
    model = copied(pipeline, classes)
    expected = decisions(pipeline, others)
    np.testing.assert_allclose(model.scores(others), expected, atol=1e-6)
    np.testing.assert_allclose(ask(LinearScorer(model), others), expected, atol=1e-5)


# In the graph


@every_model
def test_the_scorer_gives_the_scores_of_the_model(columns, classes):
    model = random_model(columns, classes)
    scorer = LinearScorer(model)
    scores = compiled(scorer)
    for texts in (TEXTS, UNSEEN, ["one long text " * 5_000], []):
        expected = model.scores(texts)
        assert expected.shape == (len(texts), classes)
        np.testing.assert_allclose(scores(texts), expected, atol=1e-5)
        if len(texts) != 1:  # every feature is compared with every other
            numbers = tf.constant(model.features.numbers(texts))
            np.testing.assert_allclose(scorer.from_numbers(numbers), expected, atol=1e-5)


@every_model
def test_numbers_are_scored_under_xla(columns, classes):
    model = random_model(columns, classes)
    scores = tf.function(LinearScorer(model).from_numbers, jit_compile=True)
    for texts in (TEXTS, UNSEEN[:7]):
        numbers = tf.constant(model.features.numbers(texts))
        np.testing.assert_allclose(scores(numbers), model.scores(texts), atol=1e-5)


@every_model
def test_texts_without_known_ngrams_get_the_bias(columns, classes):
    model = random_model(columns, classes)
    scorer = LinearScorer(model)
    bias = model.bias if columns == classes else [-model.bias[0] / 2, model.bias[0] / 2]
    numbers = tf.zeros([3, 2], tf.int32)
    for found in (
        model.scores(UNSEEN[:3]),
        ask(scorer, UNSEEN[:3]),
        scorer.from_numbers(numbers),
        tf.function(scorer.from_numbers, jit_compile=True)(numbers),
    ):
        np.testing.assert_array_equal(found, np.tile(np.asarray(bias, "float32"), (3, 1)))


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_one_kind_of_ngrams_may_be_unknown_or_not_asked_for(kind):
    whole = random_model(3, 3)
    own = whole.features.keys < 0 if kind == "words" else whole.features.keys > 0
    for rules in (RULES, NgramRules(words=2, characters=(0, 0)) if kind == "words" else NgramRules(words=0)):
        features = NgramFeatures(rules, whole.features.keys[own], whole.features.idf[own])
        model = LinearModel(features, whole.weights[own], whole.bias, 3)
        # What the whole model gives if the weights of the other kind are nothing.
        expected = LinearModel(whole.features, whole.weights * own[:, None], whole.bias, 3).scores(UNSEEN)
        np.testing.assert_allclose(model.scores(UNSEEN), expected, atol=1e-12)
        np.testing.assert_allclose(ask(LinearScorer(model), UNSEEN), expected, atol=1e-5)
        numbers = tf.constant(features.numbers(UNSEEN))
        np.testing.assert_allclose(LinearScorer(model).from_numbers(numbers), expected, atol=1e-5)


def test_neither_the_order_of_a_batch_nor_batch_mates_change_the_scores():
    scores = compiled(LinearScorer(random_model(3, 3)))
    together = scores(UNSEEN)
    np.testing.assert_array_equal(scores(UNSEEN[::-1])[::-1], together)
    np.testing.assert_array_equal(np.concatenate([scores([text]) for text in UNSEEN]), together)


@every_model
def test_a_saved_model_gives_the_scores_of_the_model(tmp_path, columns, classes):
    model = random_model(columns, classes)
    scorer = LinearScorer(model)
    scorer.texts = tf.function(scorer.from_texts, input_signature=[tf.TensorSpec([None], tf.string)])
    scorer.numbers = tf.function(scorer.from_numbers, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    tf.saved_model.save(scorer, str(tmp_path))
    del scorer
    loaded = tf.saved_model.load(str(tmp_path))
    expected = model.scores(UNSEEN)
    np.testing.assert_allclose(loaded.texts(tf.constant(UNSEEN)), expected, atol=1e-5)
    numbers = tf.constant(model.features.numbers(UNSEEN))
    np.testing.assert_allclose(loaded.numbers(numbers), expected, atol=1e-5)


# File


def test_an_earlier_model_without_the_start_is_loaded_as_it_was(tmp_path):
    path = tmp_path / "model.npz"
    model = random_model(3, 3)
    model.save(path)
    with np.load(path, allow_pickle=False) as arrays:
        content = dict(arrays)
    content["rules"] = content["rules"][:-1]
    np.savez(path, **content)
    assert LinearModel.load(path).features.rules == NgramRules(start=False)
    assert model.features.rules == NgramRules(start=True)


@every_model
@pytest.mark.parametrize("start", [False, True])
def test_a_model_that_was_saved_is_loaded_as_it_was(tmp_path, columns, classes, start):
    rules = NgramRules(words=3, characters=(1, 4), lower=False, start=start)
    model = random_model(columns, classes)
    model = LinearModel(
        NgramFeatures(rules, model.features.keys, model.features.idf), model.weights, model.bias, classes
    )
    model.save(tmp_path / "model.npz")
    loaded = LinearModel.load(tmp_path / "model.npz")
    assert (loaded.features.rules, loaded.classes) == (rules, classes)
    for found, expected in (
        (loaded.features.keys, model.features.keys),
        (loaded.features.idf, model.features.idf),
        (loaded.weights, model.weights),
        (loaded.bias, model.bias),
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


class Trap:
    """Its pickle would write a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_file_with_a_pickle_is_refused_and_the_pickle_is_not_read(tmp_path):
    random_model(3, 3).save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        content = dict(arrays)
    content["keys"] = np.array([Trap(tmp_path / "trapped")], object)
    np.savez(tmp_path / "model.npz", **content)
    with pytest.raises(ValueError, match="pickle"):
        LinearModel.load(tmp_path / "model.npz")
    assert not (tmp_path / "trapped").exists()
