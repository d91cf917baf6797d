"""The sample files are what their script writes, and as difficult as data/README.md says."""

import csv
import importlib.util
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"

spec = importlib.util.spec_from_file_location("make_samples", DATA / "make_samples.py")
make_samples = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_samples)

SAMPLES = {
    "support_tickets.csv": make_samples.support_tickets,
    "hotel_reviews_zh.csv": make_samples.hotel_reviews,
}


@pytest.fixture(scope="module", params=sorted(SAMPLES))
def sample(request):
    """File name, the rows on disk, and the function that makes them."""
    with (DATA / request.param).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "label"]
    return request.param, [tuple(row) for row in rows], SAMPLES[request.param]


def test_files_on_disk_are_what_the_script_writes(capsys):
    assert make_samples.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_names_a_file_that_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_samples, "__file__", str(tmp_path / "make_samples.py"))
    assert make_samples.main([]) == 0
    assert make_samples.main(["--check"]) == 0
    with (tmp_path / "support_tickets.csv").open("a") as file:
        file.write("one row more,refund_request\n")
    capsys.readouterr()
    assert make_samples.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "support_tickets.csv" in message
    assert "hotel_reviews_zh.csv" not in message


def test_rows_and_classes_are_as_many_as_documented(sample):
    name, rows, _ = sample
    expected_rows, expected_classes = {"support_tickets.csv": (3000, 12), "hotel_reviews_zh.csv": (1200, 2)}[name]
    assert len(rows) == expected_rows
    assert len({label for _, label in rows}) == expected_classes


def test_tickets_are_unbalanced_between_120_and_400_a_class_before_noise():
    counts = Counter(label for _, label in make_samples.support_tickets(noise=0))
    assert counts == make_samples.TICKET_COUNTS
    assert (min(counts.values()), max(counts.values())) == (120, 400)


def test_two_percent_of_the_labels_are_wrong(sample):
    _, rows, make = sample
    clean = make(noise=0)
    assert [text for text, _ in rows] == [text for text, _ in clean]
    wrong = sum(label != right for (_, label), (_, right) in zip(rows, clean, strict=True))
    assert wrong == round(0.02 * len(rows))


def test_less_than_one_percent_are_exact_duplicates(sample):
    _, rows, _ = sample
    duplicates = len(rows) - len({text for text, _ in rows})
    assert duplicates < 0.01 * len(rows)


def test_texts_have_the_awkward_features_that_real_files_have(sample):
    name, rows, _ = sample
    texts = [text for text, _ in rows]
    assert all(text.strip() for text in texts)
    if name == "support_tickets.csv":
        assert all(3 <= len(text.split()) <= 60 for text in texts)
        for feature in ("\n", '"', ",", "😡"):
            assert sum(feature in text for text in texts) > 10
        assert sum(text.isupper() for text in texts) > 50
        assert sum(text.islower() for text in texts) > 300
    else:
        assert not any(" " in text.replace("check in", "") for text in texts)
        for feature in ("不", "没有", "wifi", "👍"):
            assert sum(feature in text for text in texts) > 10


def test_no_pattern_leaves_its_marks_in_a_text(sample):
    _, rows, _ = sample
    assert not any(set(text) & set("[]{}|~^") for text, _ in rows)


def test_another_seed_gives_other_texts(sample):
    _, rows, make = sample
    assert {text for text, _ in make(seed=1)} != {text for text, _ in rows}


def test_a_linear_model_does_well_but_not_perfectly(sample):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline

    name, rows, _ = sample
    texts, labels = zip(*rows, strict=True)
    words = name == "support_tickets.csv"
    features = TfidfVectorizer(analyzer="word" if words else "char", ngram_range=(1, 2))
    scores = []
    for seed in range(3):
        train, test, train_labels, test_labels = train_test_split(
            texts, labels, test_size=0.1, stratify=labels, random_state=seed
        )
        model = make_pipeline(features, LogisticRegression(C=10, max_iter=1000)).fit(train, train_labels)
        scores.append(model.score(test, test_labels))
    # Wrong labels cap the accuracy near 98%; the mean of three splits stays clear of that and of chance.
    low, high = (0.92, 0.97) if words else (0.88, 0.97)
    assert low < sum(scores) / len(scores) < high


def test_no_test_ticket_stands_in_the_training_file():
    training = {text for text, _ in make_samples.support_tickets()}
    test = make_samples.support_tickets_test()
    assert not training & {text for text, _ in test}
    assert 590 <= len(test) <= 600
    assert len({label for _, label in test}) == 12
