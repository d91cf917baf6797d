"""The estimator does what scikit-learn asks of one."""

import copy
import csv
import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import kerasnlp_kit as kit
from kerasnlp_kit import TextClassifier, UserError

pytestmark = pytest.mark.usefixtures("proven_here")


@pytest.fixture(scope="module")
def topics(write_topics, tmp_path_factory):
    """Texts and labels, 150 rows of three classes."""
    path = write_topics(tmp_path_factory.mktemp("topics") / "topics.csv", 150)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.fixture(scope="module")
def fitted(topics):
    return TextClassifier("ngram_linear").fit(*topics)


def test_it_learns_and_gives_labels_probabilities_and_a_score(fitted, topics):
    texts, labels = topics
    assert fitted.classes_.tolist() == ["food", "music", "sport"]
    assert fitted.score(texts, labels) > 0.95
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert fitted.predict(texts).tolist() == fitted.classes_[probabilities.argmax(axis=1)].tolist()


def test_parameters_are_read_set_and_cloned(fitted):
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "model_")
    changed = TextClassifier().set_params(model="ngram_linear", options={"word_ngrams": 1})
    assert changed.get_params()["options"] == {"word_ngrams": 1}


def test_cross_validation_and_grid_search_in_a_pipeline(topics):
    texts, labels = map(np.array, topics)
    linear = TextClassifier("ngram_linear", options={"strengths": (1.0,)})
    upper = make_pipeline(FunctionTransformer(lambda rows: [text.upper() for text in rows]), linear)
    halves = [(np.arange(75), np.arange(75, 150))]
    assert cross_val_score(upper, texts, labels, cv=halves).min() > 0.9
    search = GridSearchCV(upper, {"textclassifier__options": [{"word_ngrams": 1}]}, cv=halves, refit=False)
    assert search.fit(texts, labels).cv_results_["mean_test_score"] > 0.9


def test_labels_that_are_numbers_come_back_as_numbers(topics):
    texts, labels = topics
    numbers = np.array([{"food": 10, "music": 9, "sport": -1}[label] for label in labels])
    fitted = TextClassifier("ngram_linear").fit(texts, numbers)
    assert fitted.classes_.tolist() == [-1, 9, 10]  # as numbers, though "10" comes before "9"
    assert (fitted.predict(texts) == numbers).mean() > 0.95
    assert fitted.predict(texts).dtype == numbers.dtype


def test_a_matrix_of_labels_makes_a_model_of_several_labels_a_text(topics):
    texts, labels = topics
    matrix = np.array([[label == "food", label != "sport", False] for label in labels], int)
    fitted = TextClassifier("ngram_linear").fit(texts, matrix)
    found = fitted.predict(texts)
    assert found.shape == (150, 3)
    assert (found[:, :2] == matrix[:, :2]).mean() > 0.95
    assert not found[:, 2].any()
    assert fitted.predict_proba(texts).shape == (150, 3)


def test_the_model_can_be_saved_and_loaded_elsewhere(fitted, topics, tmp_path):
    folder = fitted.save(tmp_path / "kept")
    np.testing.assert_array_equal(kit.load(folder).predict(topics[0]), fitted.predict(topics[0]))
    with pytest.raises(UserError, match="exists"):
        fitted.save(folder)


def test_the_same_seed_gives_the_same_and_it_says_nothing_unless_asked(fitted, topics, capsys):
    capsys.readouterr()
    again = TextClassifier("ngram_linear", random_state=0).fit(*topics)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(again.predict_proba(topics[0]), fitted.predict_proba(topics[0]))
    TextClassifier("ngram_linear", random_state=1, verbose=True).fit(*topics)
    assert "n-grams" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("texts", "labels", "error", "message"),
    [
        ("one text", ["a"], TypeError, "several texts"),
        ([1, 2], ["a", "b"], TypeError, "must hold strings"),
        (["a", "b"], ["x"], ValueError, "one length"),
        (["a b", "c d"] * 9, ["x"] * 18, UserError, '^y holds one class only, "x"'),
        (["a b", "c d"] * 9, ["x", " ", "y"] * 6, UserError, "must not be blank"),
        ({"a": "b"}, ["x"], TypeError, "several texts"),
        (np.array([["a", "b"]]), ["x"], TypeError, "one column of texts. Received: 2 columns"),
        (["a", "b"], [0.5, np.nan], ValueError, "a label in every row. Received: none at row 1"),
        (["a", "b"], ["x", None], ValueError, "a label in every row. Received: none at row 1"),
        (["a", "b"], pd.Series(["x", pd.NA]), ValueError, "a label in every row. Received: none at row 1"),
        (["a", "b"], [[0, 2], [1, 0]], ValueError, "must hold 0 and 1"),
        (["a", "b"], [["x", "y"], ["y", "x"]], ValueError, "must hold 0 and 1"),
        (["a", "b"], np.zeros((2, 2, 2)), ValueError, "shape"),
        (["a", "b"], [["x", "y"], ["x"]], ValueError, "MultiLabelBinarizer"),
        (["", " "] * 9, ["x", "y"] * 9, UserError, r"^X holds empty texts only\.$"),
    ],
)
def test_bad_input_is_told(texts, labels, error, message):
    with pytest.raises(error, match=message):
        TextClassifier("ngram_linear").fit(texts, labels)


def test_a_frame_of_one_column_is_its_column(fitted, topics):
    texts, labels = topics
    expected = fitted.predict(texts).tolist()
    assert fitted.predict(pd.DataFrame({"text": texts})).tolist() == expected
    assert fitted.predict(np.array(texts)[:, None]).tolist() == expected
    with pytest.warns(DataConversionWarning):
        again = TextClassifier("ngram_linear").fit(texts, np.array(labels)[:, None])
    assert again.predict(texts).tolist() == expected


def test_a_sparse_matrix_of_labels_is_as_a_dense_one(topics):
    texts, labels = topics
    matrix = np.array([[label == "food", label != "sport"] for label in labels], int)
    found = [TextClassifier("ngram_linear").fit(texts, y).predict(texts) for y in (matrix, csr_matrix(matrix))]
    np.testing.assert_array_equal(*found)


def test_a_fit_that_fails_leaves_the_one_before(topics):
    texts, labels = topics
    model = TextClassifier("ngram_linear").fit(texts, labels)
    before = model.predict(texts).tolist()
    with pytest.raises(UserError, match="one class"):
        model.fit(texts, ["x"] * len(texts))
    assert model.classes_.tolist() == ["food", "music", "sport"] and model.predict(texts).tolist() == before


@pytest.mark.parametrize("name", ["seed", "preset", "model", "name", "text_column"])
def test_options_that_are_none_are_told(topics, name):
    with pytest.raises(UserError, match=f"'{name}' is none of the options: it is for"):
        TextClassifier("ngram_linear", options={name: "x"}).fit(*topics)


def test_numbers_of_numpy_are_numbers(topics):
    options = {"strengths": (1.0,), "word_ngrams": np.int64(1)}
    one = TextClassifier("ngram_linear", options=options, random_state=np.int64(3)).fit(*topics)
    assert one.model_.run["options"]["seed"] == 3 and one.model_.run["options"]["word_ngrams"] == 1
    drawn = TextClassifier("ngram_linear", random_state=np.random.RandomState(0)).fit(*topics)
    assert drawn.model_.run["options"]["seed"] == np.random.RandomState(0).randint(2**31 - 1)


def test_an_unknown_option_is_told(topics):
    with pytest.raises(UserError, match="epohcs"):
        TextClassifier("cnn_classifier", options={"epohcs": 3}).fit(*topics)


def test_an_option_about_the_labels_is_refused_as_y_says_it(topics):
    with pytest.raises(UserError, match="'label_separator' is none of the options: it is for X and y"):
        TextClassifier("ngram_linear", options={"label_separator": "|"}).fit(*topics)


def test_texts_that_no_file_could_hold_are_learnt_from_as_they_are_predicted(topics):
    texts, labels = topics
    odd = ["half \ud83d a pair", "nul \0 inside", *texts]
    model = TextClassifier("ngram_linear", options={"strengths": (1.0,)}).fit(odd, ["food", "food", *labels])
    assert len(model.predict(odd)) == len(odd)


@pytest.mark.parametrize("through", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_a_copy_answers_and_is_saved_when_the_first_one_is_gone(topics, tmp_path, through, collect):
    texts, labels = topics
    first = TextClassifier("ngram_linear", options={"strengths": (1.0,)}).fit(texts, labels)
    expected, folder = first.predict_proba(texts), first.trained_.folder
    second = through(first)
    del first
    collect()
    assert not folder.exists()
    np.testing.assert_array_equal(second.predict_proba(texts), expected)
    assert second.trained_.report.exists() and second.trained_.saved_model.is_dir()
    assert kit.load(second.save(tmp_path / "saved")).labels == ("food", "music", "sport")
    for name in ("MODEL_CARD.md", "report.html", "run.json"):
        assert str(folder.parent) not in (tmp_path / "saved" / name).read_text().replace("\\_", "_"), name


def test_what_is_not_fitted_is_pickled_too():
    assert pickle.loads(pickle.dumps(TextClassifier("ngram_linear"))).get_params()["model"] == "ngram_linear"


def test_what_is_saved_tells_of_its_own_place_and_not_of_the_one_it_was_made_in(fitted, tmp_path):
    target = fitted.save(tmp_path / "kept" / "topics_1")
    assert [path.name for path in target.parent.iterdir()] == ["topics_1"]
    kit.load(target)  # the manifest fits
    old, here = str(fitted.trained_.folder.parent), (target / "saved_model" / "1").as_posix()
    for name in ("MODEL_CARD.md", "report.html", "run.json"):
        assert old not in (target / name).read_text().replace("\\_", "_"), name
    card, report = ((target / name).read_text() for name in ("MODEL_CARD.md", "report.html"))
    assert card.startswith("# topics_1\n") and f'load("{here}")' in card
    assert "<title>topics_1</title>" in report and here in report
    options = json.loads((target / "run.json").read_text())["options"]
    assert (options["name"], options["models"]) == ("topics_1", str(target.parent))


def test_a_fit_is_silent_by_itself_and_leaves_standard_output_alone(topics, capfd):
    texts, labels = topics
    options = {"epochs": 1, "units": 4, "embedding_dim": 4}
    before = sys.stdout, sys.stderr
    with ThreadPoolExecutor(2) as pool:
        fits = [pool.submit(TextClassifier("lstm_classifier", options=options).fit, texts, labels) for _ in range(2)]
        assert [fit.result().classes_.size for fit in fits] == [3, 3]
    assert (sys.stdout, sys.stderr) == before
    print("still there")
    assert capfd.readouterr().out == "still there\n"


def test_a_model_that_labels_nothing_is_refused():
    with pytest.raises(UserError, match=r"one that labels texts\. Received: lstm_seq2seq, which is for seq2seq"):
        TextClassifier("lstm_seq2seq").fit(["a", "b"], ["x", "y"])
