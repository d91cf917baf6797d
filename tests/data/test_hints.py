"""What reading does not decide by itself is said aloud, and what is as it should be is not."""

import json

import pytest

from kerasnlp_kit.data import Columns, read_examples


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


def hints(path, words, **options):
    return [note for note in read_examples(path, **options).notes if words in note]


def table(header, *rows):
    return "".join(f"{row}\n" for row in (header, *rows))


# Labels that look joined

LABELS = ["a", "b", "c", "a{0}b", "a{0}c", "b{0}c", "a{0}b{0}c"]  # seven values of three labels


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_joined_labels_are_noted_and_not_split(write, separator):
    rows = [f't{row},"{label.format(separator)}"' for row, label in enumerate(LABELS * 2)]
    path = write(table("text,label", *rows))
    (hint,) = hints(path, "looks like several labels")
    assert f'joined by "{separator}" (7 distinct values, 3 distinct labels in them)' in hint
    assert hint.endswith(f"--label-separator {separator if separator == ',' else repr(separator)} reads them so.")
    assert not read_examples(path).multi_label
    assert not hints(path, "looks like several labels", label_separator=separator)


def test_joined_labels_are_noted_though_most_rows_have_one(write):
    # 2 of 16 cells are joined: 4 distinct values of 2 labels, once in another order.
    cells = ["x"] * 7 + ["y"] * 7 + ["x|y", "y|x"]
    assert hints(write(table("text,label", *(f"t{row},{cell}" for row, cell in enumerate(cells)))), "several labels")


@pytest.mark.parametrize(
    "cells",
    [
        ["Books, Film", "Food, Drink", "Sport"],  # names with commas: five pieces of three names
        ["Ulm, Germany", "Bonn, Germany", "Köln, Germany", "Rom, Italy"],  # six pieces of four names
        ["Food, Fruit, Apple", "Food, Fruit, Pear", "Food, Meat, Beef"],  # a path down a tree
        ["1,5", "2,5", "1,0", "2,0", "0,5", "0,0"],  # numbers
        ["a", "b"] * 19 + ["a|b", "b|a"],  # 2 of 40 are a slip
        ["a"] * 8 + ["b", "a|b"],  # and so is one
        ["positive", "negative"],
    ],
)
def test_names_that_merely_hold_a_mark_are_not_noted(write, cells):
    assert not hints(write(table("text,label", *(f't{row},"{cell}"' for row, cell in enumerate(cells)))), "several")


def test_a_file_for_a_model_of_one_label_gets_no_such_hint(write):
    path = write(table("text,label", *(f"t{row},{label.format('|')}" for row, label in enumerate(LABELS))))
    assert not hints(path, "several labels", preferred=Columns(("text",), "label", ""), preferred_labels=["a"])


# Columns of zeros and ones


def test_several_columns_of_zeros_and_ones_are_noted_if_one_was_guessed(write):
    path = write(
        table(
            "id,split,text,toxic,likes,insult,gap,threat,rude",
            "1,0,How nice,0,5,0,,0,0",
            "2,0,You fool,1,9,1,,0,0",
            "3,1,Go,0,7,0,,0,1",
        )
    )
    (hint,) = hints(path, "hold nothing but 0 and 1")
    # A rare label has no 1 among the first rows; a column called split is none.
    assert '4 columns hold nothing but 0 and 1: "toxic", "insult", "threat", "rude"' in hint
    assert hint.endswith("--label-column toxic insult threat rude.")
    assert not hints(path, "nothing but 0 and 1", label_column="toxic")
    assert not hints(path, "nothing but 0 and 1", label_column=["toxic", "rude"])


def test_a_label_found_by_name_needs_no_hint_about_other_zeros_and_ones(write):
    path = write(table("text,label,verified", "How nice,0,1", "You fool,1,0"))
    assert not hints(path, "nothing but 0 and 1")


# Other texts


def test_a_second_sentence_is_noted_with_how_to_join_it(write):
    path = write(
        table("sentence1,sentence2,label", "He eats now.,A man is eating.,x", "She sings here.,Nobody sings a song.,y")
    )
    examples = read_examples(path)
    assert list(examples.texts) == ["He eats now.", "She sings here."]
    (hint,) = hints(path, "left out")
    assert '1 other column looks like a text and is left out: "sentence2"' in hint
    assert hint.endswith("--text-column sentence1 sentence2.")
    assert not hints(path, "left out", text_columns=["sentence1"])
    assert not hints(path, "left out", preferred=Columns(("sentence1",), "label", ""))


def test_text_columns_come_in_the_order_of_the_file_and_quoted_for_the_shell(write):
    path = write(
        table(
            "my title,text,more words,label",
            "Great product!,It works as it should.,I would buy it again,x",
            "Poor thing,It broke on the first day.,I want my money back,y",
        )
    )
    (hint,) = hints(path, "left out")
    # A title has two words only, but a usual name.
    assert "2 other columns look like texts and are left out" in hint
    assert hint.endswith("--text-column 'my title' text 'more words'.")


def test_texts_without_blanks_between_words_are_noted(write):
    assert hints(write(table("句子,回答,标签", "这家店好吗,我觉得非常好,1", "菜怎么样,味道不太好,0")), "left out")


def test_what_is_no_text_is_not_noted(write):
    header = "text,label,author,category,city,date,url,price,empty,code,id"
    row = "It works as it should {0},x,Jane van der Doe {0},Books and Film,Ulm{0},May {0} 1999,a b {0},{0},,{0} 2 3,{0}"
    rows = [row.format(number) for number in range(4)]
    # Bookkeeping names, few distinct values, one word, numbers, and nothing at all.
    assert not hints(write(table(header, *rows)), "left out")


def test_columns_that_hold_no_strings_do_not_stand_in_the_way(write):
    rows = [
        {
            "text": f"It works {n}",
            "label": "x",
            "meta": {"a": 1},
            "words": ["It", "works"],
            "reply": f"Thanks a lot {n}",
        }
        for n in range(3)
    ]
    path = write("".join(json.dumps(row) + "\n" for row in rows), "data.jsonl")
    (hint,) = hints(path, "left out")
    assert hint.endswith("--text-column text reply.")
