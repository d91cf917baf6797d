"""The sample files are what their script writes, and as difficult as data/README.md says."""

import csv
import datetime
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"

sys.path.insert(0, str(DATA))  # as for a script that stands there
import make_dates  # noqa: E402
import make_samples  # noqa: E402

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


# Dates


@pytest.fixture(scope="module", params=[("dates.csv", 4000), ("dates_test.csv", 600)], ids=["train", "test"])
def dates(request):
    """The pairs on disk; as many as documented."""
    name, count = request.param
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["source", "target"] and len(rows) == count
    return rows


def test_every_written_date_has_one_right_answer(dates):
    assert len({source for source, _ in dates}) == len(dates)
    # Not even two sources that differ in case and blanks alone have two answers.
    folded = {(" ".join(source.casefold().split()), target) for source, target in dates}
    assert len(folded) == len({source for source, _ in folded})


def test_targets_are_iso_dates_of_1900_to_2099(dates):
    years = [datetime.date.fromisoformat(target).year for _, target in dates]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", target) for _, target in dates)
    assert 1900 <= min(years) < 1905 and 2095 < max(years) <= 2099


def test_dates_that_python_can_read_are_what_the_target_says(dates):
    formats = {
        r"\d+\.\d+\.\d{4}": "%d.%m.%Y",  # day first
        r"\d+/\d+/\d{4}": "%d/%m/%Y",
        r"\d{4}-\d+-\d+": "%Y-%m-%d",
        r"\d{8}": "%Y%m%d",
        r"\d{4}年\d+月\d+日": "%Y年%m月%d日",
        r"\d+ [A-Za-z]{3} \d{4}": "%d %b %Y",
        r"[A-Za-z]{3} \d+, \d{4}": "%b %d, %Y",
        r"[A-Z][a-z]+day, [A-Z][a-z]{2} \d+, \d{4}": "%A, %b %d, %Y",
    }
    read = []
    for pattern, form in formats.items():
        read += [
            (datetime.datetime.strptime(source, form).date().isoformat(), target)
            for source, target in dates
            if re.fullmatch(pattern, source, re.ASCII)
        ]
    assert all(found == target for found, target in read)
    assert len(read) > len(dates) / 10


def test_weekdays_are_right(dates):
    english = {name[:3].lower(): place for place, name in enumerate(make_dates.WEEKDAYS)}
    chinese = {name: place for place, name in enumerate("一二三四五六日")}
    named = 0
    for source, target in dates:
        found = re.match(r"\s*(?:on |dated )?\s*(mon|tue|wed|thu|fri|sat|sun)", source.lower())
        place = english[found[1]] if found else None
        if found := re.search("(?:星期|周)(.)", source):
            place = chinese[found[1]]
        if place is not None:
            named += 1
            assert datetime.date.fromisoformat(target).weekday() == place, source
    assert named > len(dates) / 10


@pytest.mark.parametrize(
    ("number", "english", "ordinal", "chinese"),
    [
        (3, "three", "third", "三"),
        (10, "ten", "tenth", "十"),
        (12, "twelve", "twelfth", "十二"),
        (20, "twenty", "twentieth", "二十"),
        (21, "twenty-one", "twenty-first", "二十一"),
        (31, "thirty-one", "thirty-first", "三十一"),
    ],
)
def test_days_are_spelled_in_english_and_chinese(number, english, ordinal, chinese):
    assert make_dates._words(number) == english
    assert make_dates._ordinal_word(number) == ordinal
    assert make_dates._chinese_number(number) == chinese


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1998, "nineteen ninety-eight"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2015, "twenty fifteen"),
        (2099, "twenty ninety-nine"),
    ],
)
def test_years_are_spelled_as_they_are_spoken(year, words):
    assert make_dates._year_words(year) == words


def test_no_two_months_share_a_spelling():
    spellings = [wrong.lower() for months in make_dates.MISSPELT for wrong in months]
    names = [name.lower() for name in make_dates.MONTHS]
    assert (
        len({*spellings, *names, *(name[:3] for name in names)}) == len(spellings) + 12 + 11
    )  # "may" is its own short


def test_dates_have_the_awkward_features_that_are_documented(dates):
    sources = [source for source, _ in dates]
    for pattern in (
        "年",
        "[〇零]",
        "[０-９]",
        "Febuary|Feburary|Februray",
        r"\b[A-Z]{4,}\b",
        "oh|hundred|thousand",
        "  ",
    ):
        assert any(re.search(pattern, source) for source in sources), pattern
    # About a third is Chinese.
    assert 0.2 < sum("年" in source for source in sources) / len(sources) < 0.4


def test_no_test_date_stands_in_the_training_file():
    assert not {date for _, date in make_samples.dates()} & {date for _, date in make_samples.dates_test()}
