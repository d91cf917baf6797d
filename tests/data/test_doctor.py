import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kerasnlp_kit.data import read_examples
from kerasnlp_kit.data.copies import find_copies
from kerasnlp_kit.data.doctor import examine, quick_check
from kerasnlp_kit.data.findings import Pool

LONG = "the quick brown fox jumps over the lazy dog and runs into the deep dark forest"


@pytest.fixture
def read(tmp_path):
    """Writes rows of text and label as train.csv, dev.csv and test.csv, as many as are given, and reads them."""

    def read(*files, header="text,label", **options):
        parts = []
        for name, rows in zip(("train", "dev", "test"), files, strict=False):
            lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
            path = tmp_path / f"{name}.csv"
            path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
            parts.append(read_examples(path, **options))
        return parts

    return read


@pytest.fixture
def diagnose(read):
    """What is found in such files, by name."""

    def diagnose(*files, **options):
        pool = Pool(read(*files, **options))
        return {finding.name: finding for finding in examine(pool, find_copies(pool))}

    return diagnose


def places(finding):
    """File and line of each row of a finding, and of the other row if there is one."""
    return [tuple(row[name] for name in row if name.endswith(("file", "line"))) for row in finding.head(100)]


def filler(count=20, labels=("ham", "spam")):
    """Rows with nothing wrong: words of their own, which keep all shares small."""
    words = [f"{one}{two}{three}" for one in "kvz" for two in "aeiou" for three in "lmnrst"]
    return [(f"{word} {word[::-1]}", labels[row % len(labels)]) for row, word in enumerate(words[:count])]


def test_a_clean_data_set_has_no_findings(diagnose):
    rows = filler(60)
    train, dev = rows[:40], [(f"{text} {rows[0][0].split()[0]}", label) for text, label in rows[40:]]
    assert diagnose(train, dev) == {}
    assert diagnose(rows) == {}


# Copies


def test_texts_of_earlier_files_are_leaks(diagnose):
    train = [*filler(), ("a b c", "ham"), ("only here", "spam")]
    dev = [("d e only", "ham"), ("a b c", "ham")]
    test = [("d e only", "ham"), ("a b c", "spam"), ("here only", "ham"), ("A b c", "ham")]
    found = diagnose(train, dev, test)
    leaks = found["leaks"]
    # What is in train and dev is told with train.
    assert places(leaks) == [
        ("dev.csv", 3, "train.csv", 22),
        ("test.csv", 2, "dev.csv", 2),
        ("test.csv", 3, "train.csv", 22),
    ]
    assert (leaks.count, leaks.severity) == (3, "serious")
    assert "dev.csv 1 of 2 (50.0%), test.csv 2 of 4 (50.0%)" in leaks.headline
    first = leaks.head(1)[0]
    assert (first["text"], first["label"], first["other_text"], first["other_label"]) == (
        "a b c",
        "ham",
        "a b c",
        "ham",
    )
    assert places(found["near_leaks"]) == [("test.csv", 5, "train.csv", 22)]


def test_near_leaks_are_equal_but_for_their_dress_or_share_nearly_all_trigrams(diagnose):
    train = [*filler(), (LONG, "ham"), ("Call 0800 123 now!", "spam")]
    test = [(LONG + "s", "ham"), ("call 0900 77, NOW", "spam"), ("call me now", "ham"), (LONG, "ham")]
    finding = diagnose(train, test)["near_leaks"]
    assert places(finding) == [("dev.csv", 2, "train.csv", 22), ("dev.csv", 3, "train.csv", 23)]
    similarities = [row["similarity"] for row in finding.head(2)]
    assert 0.9 <= similarities[0] < 1 and similarities[1] == 1


def test_repeats_are_told_with_the_first_row_of_the_file(diagnose):
    train = [*filler(), ("a b c", "ham"), ("a b c", "ham"), ("a b c", "ham")]
    found = diagnose(train)
    assert places(found["repeats"]) == [("train.csv", 23, "train.csv", 22), ("train.csv", 24, "train.csv", 22)]
    assert found["repeats"].count == 2 and "leaks" not in found


def test_near_repeats_are_told_on_both_sides_and_not_again_as_repeats(diagnose):
    train = [*filler(), ("a b c", "ham"), ("a b c", "ham"), ("A, b, c!", "ham"), (LONG, "ham"), (LONG + "s", "ham")]
    train += [(LONG, "ham")]
    found = diagnose(train)
    assert places(found["repeats"]) == [("train.csv", 23, "train.csv", 22), ("train.csv", 27, "train.csv", 25)]
    assert places(found["near_repeats"]) == [
        ("train.csv", 22, "train.csv", 24),
        ("train.csv", 24, "train.csv", 22),
        ("train.csv", 25, "train.csv", 26),
        ("train.csv", 26, "train.csv", 25),
    ]


def test_empty_texts_are_neither_leaks_nor_repeats_nor_in_conflict(diagnose):
    rows = [*filler(), ("", "ham"), (" ", "spam"), ("", "spam")]
    found = diagnose(rows, [("", "ham"), *filler()[:1]])
    assert places(found["empty_texts"]) == [("train.csv", 22), ("train.csv", 23), ("train.csv", 24), ("dev.csv", 2)]
    assert set(found) == {"empty_texts", "leaks"} and found["leaks"].count == 1


def test_rows_of_the_training_file_are_known_in_any_dress(read):
    train = [*filler(), (LONG, "ham"), ("Hello, you!", "ham"), ("", "ham")]
    dev = [("seen in dev", "ham")]
    test = [("hello you", "ham"), (LONG + "s", "ham"), ("seen in dev", "ham"), ("", "ham"), ("new to all", "ham")]
    copies = find_copies(Pool(read(train, dev, test)))
    assert copies.in_training[-6:].tolist() == [False, True, True, False, False, False]
    assert not copies.in_training[: len(train)].any()


def test_copies_agree_with_a_count_of_the_strings(read):
    random = np.random.default_rng(0)
    files = [[(f"w{number}", "ham") for number in random.integers(0, 60, 40)] for _ in range(3)]
    # Letters, as digits alone would be evened out.
    files = [
        [(chr(97 + int(text[1:]) % 26) + "q" * (int(text[1:]) // 26), label) for text, label in file] for file in files
    ]
    copies = find_copies(Pool(read(*files)), similar=False)
    texts = [[text for text, _ in file] for file in files]
    repeated = sum(count - 1 for part in texts for count in Counter(part).values())
    leaked = sum(text in texts[0] for text in texts[1]) + sum(text in texts[0] + texts[1] for text in texts[2])
    assert ((copies.repeats >= 0).sum(), (copies.leaks >= 0).sum()) == (repeated, leaked)
    everything = [text for part in texts for text in part]
    for others in (copies.repeats, copies.leaks):
        assert all(everything[row] == everything[other] for row, other in enumerate(others) if other >= 0)


# Labels


def test_a_text_under_two_labels_is_told_with_a_row_of_another_label(diagnose):
    train = [*filler(), ("a b c", "ham"), ("d e f", "ham"), ("a b c", "spam")]
    test = [("a b c", "ham"), ("d e f", "odd"), ("D e f", "ham")]
    found = diagnose(train, test)
    finding = found["conflicting_labels"]
    assert finding.count == 2 and "2 texts stand under different labels, in 5 rows" in finding.headline
    assert places(finding) == [
        ("train.csv", 22, "train.csv", 24),
        ("train.csv", 24, "train.csv", 22),
        ("dev.csv", 2, "train.csv", 24),
        ("train.csv", 23, "dev.csv", 3),
        ("dev.csv", 3, "train.csv", 23),
    ]
    assert all(row["label"] != row["other_label"] and row["text"] == row["other_text"] for row in finding.head(9))
    near = found["near_conflicting_labels"]
    assert places(near)[0][:2] == ("dev.csv", 4) and near.head(1)[0]["other_label"] == "odd"


def test_three_labels_of_one_text_each_have_another(diagnose):
    finding = diagnose([*filler(), ("a b", "ham"), ("a b", "spam"), ("a b", "odd"), ("x y", "odd")])[
        "conflicting_labels"
    ]
    assert finding.count == 1
    assert [row["label"] for row in finding.head(9)] == ["ham", "spam", "odd"]
    assert all(row["label"] != row["other_label"] for row in finding.head(9))


def test_labels_that_the_training_file_lacks_are_told_with_their_rows(diagnose):
    finding = diagnose(filler(), [("kal", "ham"), ("vel", "odd"), ("zin", "Ham")])["unseen_labels"]
    assert (finding.count, finding.severity) == (2, "serious")
    assert places(finding) == [("dev.csv", 3), ("dev.csv", 4)] and '("Ham", "odd")' in finding.headline


def test_names_that_look_alike_are_told_across_files_with_their_rows_the_rarer_first(diagnose):
    rows = filler(labels=("delivery", "refund"))
    later = [("kal", "Refund"), ("vel", "delivry"), ("zin", "delivry"), ("mor", "REFUND"), ("tul", "REFUND")]
    finding = diagnose(rows, later)["label_names"]
    assert finding.count == 3 and finding.severity == "serious"
    assert [tuple(row.values())[:4] for row in finding.head(9)] == [
        ("delivry", 2, "delivery", 10),
        ("REFUND", 2, "refund", 10),
        ("Refund", 1, "refund", 10),
    ]


def test_of_spellings_with_equally_many_rows_each_is_told_beside_the_first(diagnose):
    rows = [(f"{text} {name}", name) for name in ("bank", "Bank", "BANK") for text in ("kal", "vel")]
    finding = diagnose([*rows, ("zin", "other"), ("mor", "other")])["label_names"]
    assert [(row["label"], row["other_label"]) for row in finding.head(9)] == [("Bank", "BANK"), ("bank", "BANK")]


def test_classes_of_one_row_are_told(diagnose):
    finding = diagnose([*filler(), ("a b", "odd")])["single_row_classes"]
    assert finding.count == 1 and places(finding) == [("train.csv", 22)]


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ((76, 24), True),  # an evenness of 0.795
        ((75, 25), False),  # 0.811
        ((10, 10, 10, 10, 1), True),  # ten to one
        ((9, 9, 9, 9, 1), False),
        ((20,), False),
    ],
)
def test_uneven_classes_are_told(diagnose, counts, found):
    labels = [f"class {place}" for place, count in enumerate(counts) for _ in range(count)]
    words = [f"{one}{two}{three}{four}" for one in "kvzb" for two in "aeiou" for three in "lmnrst" for four in "ao"]
    finding = diagnose(list(zip(words, labels, strict=False))).get("imbalance")
    assert (finding is not None) == found
    if finding:
        assert finding.table["rows"] == sorted(counts, reverse=True)
        shares = np.array(counts) / sum(counts)
        evenness = -sum(share * np.log2(share) for share in shares) / np.log2(len(shares))
        assert f"Evenness {evenness:.2f} of 1" in finding.advice and "--class-weights" in finding.advice


def test_files_without_labels_are_examined_for_their_texts(tmp_path):
    for name, text in (("train", "text\na b c\nd e f\n"), ("test", "text\na b c\n&amp; x\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    pool = Pool([read_examples(tmp_path / f"{name}.csv", need_label=False) for name in ("train", "test")])
    findings = examine(pool, find_copies(pool))
    assert {finding.name for finding in findings} == {"leaks", "html_entities", "unknown_words"}
    assert findings[0].head(1)[0]["label"] is None


def test_sets_of_labels_are_compared_as_a_whole_and_counted_one_by_one(diagnose):
    train = [*filler(labels=("bill|late", "late")), ("a b", "late|bill"), ("a b", "bill|late"), ("c d", "late")]
    test = [("a b", "late|odd"), ("c d", "")]
    found = diagnose(train, test, label_separator="|")
    conflicts = found["conflicting_labels"]
    # "late|bill" is "bill|late"; no label at all is not "late".
    assert conflicts.count == 2
    assert [(row["label"], row["other_label"]) for row in conflicts.head(9)] == [
        ("bill|late", "late|odd"),
        ("bill|late", "late|odd"),
        ("late|odd", "bill|late"),
        ("late", ""),
        ("", "late"),
    ]
    assert places(found["unseen_labels"]) == [("dev.csv", 2)] and '("odd")' in found["unseen_labels"].headline
    assert "imbalance" not in found, "late has 23 rows, bill 12"


# Texts


def test_damaged_texts_are_told_with_their_repair(diagnose):
    texts = ["cafÃ© noir", "don\x92t go", "lost \ufffd", "salt &amp; pepper", "a\x81b"]
    found = diagnose([*filler(), *((text, "ham") for text in texts)])
    repaired = {
        name: [(row["line"], row["repaired"]) for row in found[name].head(9)]
        for name in ("mojibake", "control_characters", "replacement_characters", "html_entities")
    }
    assert repaired == {
        "mojibake": [(22, "café noir")],
        "control_characters": [(23, "don’t go"), (26, None)],
        "replacement_characters": [(24, None)],
        "html_entities": [(25, "salt & pepper")],
    }


def test_texts_without_a_letter_or_digit_are_told(diagnose):
    finding = diagnose([*filler(), ("?!...", "ham"), ("🙂", "ham"), ("7", "ham"), ("好", "ham")])["no_words"]
    assert places(finding) == [("train.csv", 22), ("train.csv", 23)]


def test_texts_of_which_the_training_file_knows_no_word_are_told(diagnose):
    train = [*filler(), ("good room 7", "ham"), ("很好", "ham")]
    test = [("Room!", "ham"), ("bonjour madame", "ham"), ("好吃", "ham"), ("难吃", "ham"), ("7 8", "ham"), ("?", "ham")]
    finding = diagnose(train, test)["unknown_words"]
    assert places(finding) == [("dev.csv", 3), ("dev.csv", 5)]


# The whole


def test_the_most_serious_comes_first(diagnose):
    findings = diagnose([*filler(), ("a b", "ham"), ("a b", "ham"), ("?", "odd")], [("a b", "spam")])
    order = [("serious", "warning", "note").index(finding.severity) for finding in findings.values()]
    assert order == sorted(order) and set(order) == {0, 1, 2}


def test_a_few_leaks_among_many_rows_are_a_warning(diagnose):
    train = filler(90)
    # One of 101 rows is under 1%.
    test = [train[0], *((f"{text} {text[:3]}", label) for text, label in filler(90) + filler(10))]
    assert diagnose(train, test)["leaks"].severity == "warning"


def test_files_of_one_name_are_told_by_their_paths(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("text,label\na b,ham\nc d,spam\n")
    paths = [os.fspath(tmp_path / folder / "data.csv") for folder in ("one", "two")]
    assert Pool([read_examples(path) for path in paths]).names == tuple(paths)


def test_the_quick_check_tells_what_matters_in_one_line_each(read):
    train = [*filler(), ("a b c", "ham"), ("a b c", "spam"), (LONG, "ham"), ("don\x92t", "ham")]
    lines = quick_check(*read(train, [("A, b c!", "ham")], [("a b c", "ham"), (LONG + "s", "ham")]))
    assert lines == [
        "1 row has a text of an earlier file: test 1 of 2 (50.0%)",
        "1 row has nearly a text of an earlier file: dev 1 of 1 (100.0%)",
        "1 text stands under different labels, in 3 rows: train 2 of 24 (8.3%), test 1 of 2 (50.0%)",
        "1 text has another label where case, blanks, punctuation or digits differ, in 1 row: dev 1 of 1 (100.0%)",
        "1 text holds control characters of U+0080 to U+009F: train 1 of 24 (4.2%)",
    ]


def test_the_quick_check_is_silent_on_sound_data_and_takes_any_of_the_three(read):
    train, dev = read(filler(), filler(24)[20:])
    assert quick_check(train) == quick_check(train, dev) == quick_check(train, None, dev) == []
    assert quick_check(train.take(np.zeros(0, int))) == []
    assert "train 20" not in "".join(quick_check(train, train)) and "dev 20 of 20" in quick_check(train, train)[0]


# The folder of the public data sets; without it these tests are skipped.
PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "data"  # beside the checkout, where there is one


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("sms_spam", {"leaks": {"test.csv": 112}, "control_characters": 35, "repeats": {"train.csv": 238}}),
        ("chnsenticorp", {"leaks": {"test.csv": 365}, "conflicting_labels": 36}),
        ("trec6", {"leaks": {"test.csv": 10}}),
        ("waimai_10k", {"conflicting_labels": 7}),
    ],
)
def test_the_known_faults_of_public_data_sets_are_found(name, figures):
    files = [PUBLIC / name / f"{part}.csv" for part in ("train", "dev", "test")]
    if not all(map(Path.exists, files)):
        pytest.skip(f"no {files[0]}")
    pool = Pool([read_examples(file) for file in files])
    found = {finding.name: finding for finding in examine(pool, find_copies(pool, similar=False))}
    for finding, expected in figures.items():
        if isinstance(expected, int):
            assert found[finding].count == expected
        else:
            assert Counter(found[finding].table["file"])[next(iter(expected))] == next(iter(expected.values()))
