import json

import numpy as np
import pytest

from kerasnlp_kit.data import PairColumns, pair_notes, read_pairs, read_table, split_pairs
from kerasnlp_kit.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def columns_of(path, *asked, **options):
    columns = read_pairs(path, *asked, **options).columns
    return columns.source, columns.target


# Columns


@pytest.mark.parametrize(
    ("header", "source", "target"),
    [
        ("source,target", "source", "target"),
        ("target,source", "source", "target"),
        ("id,Source,Target", "Source", "Target"),
        ("tgt,src", "src", "tgt"),
        ("input,output", "input", "output"),
        ("answer,question", "question", "answer"),
        ("query,response", "query", "response"),
        ("completion,prompt", "prompt", "completion"),
        ("prompt,response", "prompt", "response"),
        ("summary,article", "article", "summary"),
        ("text,summary,date", "text", "summary"),
        ("pronunciation,word", "word", "pronunciation"),
        ("translation,text", "text", "translation"),
        ("corrected,wrong", "wrong", "corrected"),
        ("译文,原文", "原文", "译文"),
        ("问题,答案", "问题", "答案"),
        ("上联,下联", "上联", "下联"),
        ("source_text,target_text", "source_text", "target_text"),
        ("id,question_body,answer_body", "question_body", "answer_body"),
        ("en,de", "en", "de"),
        ("de,en", "de", "en"),
        ("id,en,zh-CN", "en", "zh-CN"),
        ("German,English", "German", "English"),
        # Of two pairs the more usual one, whole names before parts.
        ("question,answer,target,source", "source", "target"),
        ("source_url,question,answer,target_url", "question", "answer"),
    ],
)
def test_columns_are_found_by_pairs_of_usual_names(write, header, source, target):
    row = ",".join(f"some {name} here" for name in header.split(","))
    pairs = read_pairs(write(f"{header}\n{row}\n"))
    assert (pairs.columns.source, pairs.columns.target) == (source, target)
    assert (pairs.sources[0], pairs.targets[0]) == (f"some {source} here", f"some {target} here")
    assert not pairs.columns.guessed and not pairs.notes


def test_columns_that_are_asked_for_go_before_names(write):
    path = write("source,target,other\na,b,c\n")
    assert columns_of(path, "other", "source") == ("other", "source")
    assert columns_of(path, "target") == ("target", "source")
    assert columns_of(path, None, "source") == ("target", "source")


@pytest.mark.parametrize(
    ("header", "asked", "expected"),
    [
        ("question,answer,target", ("question", None), ("question", "answer")),
        ("text,note,target", (None, "target"), ("text", "target")),
        ("q,note,answer", ("q", None), ("q", "answer")),
        ("en,de,fr", ("de", "fr"), ("de", "fr")),
        ("en,de", ("de", None), ("de", "en")),
        ("en,de", (None, "en"), ("de", "en")),
        ("one,two", ("two", None), ("two", "one")),
    ],
)
def test_one_column_asked_for_helps_to_find_the_other(write, header, asked, expected):
    row = ",".join(f"some {name}" for name in header.split(","))
    assert columns_of(write(f"{header}\n{row}\n"), *asked) == expected


def test_two_columns_without_usual_names_are_taken_in_their_order_and_noted(write):
    pairs = read_pairs(write("one,two\nthe cat,die Katze\nthe dog,der Hund\n"))
    assert (pairs.columns.source, pairs.columns.target) == ("one", "two") and pairs.columns.guessed
    assert ['source column "one" (guessed' in note for note in pairs.notes] == [True]


def test_a_file_without_header_has_two_columns(write):
    pairs = read_pairs(write("the cat,die Katze\nthe dog,der Hund\nthe bird,der Vogel\n"))
    assert list(pairs.targets) == ["die Katze", "der Hund", "der Vogel"] and pairs.rows.tolist() == [1, 2, 3]


def test_the_two_columns_of_texts_are_told_from_numbers_and_classes(write):
    rows = "".join(f"{row},text {row},{row * 1.5},{'ab'[row % 2]},Satz {row}\n" for row in range(12))
    assert columns_of(write("key,eins,ratio,kind,zwei\n" + rows)) == ("eins", "zwei")


def test_columns_that_cannot_be_told_are_listed_with_the_flags_that_name_them(write):
    with pytest.raises(UserError, match=r"one, two, three.*--source-column and --target-column"):
        read_pairs(write("one,two,three\nsome text,other text,more text\n"))
    with pytest.raises(UserError, match=r"cannot tell.*n, m, o\. Name them with --source-column\."):
        read_pairs(write("n,m,o\n1,2,3\n4,5,6\n"), need_target=False)


def test_a_single_column_is_refused(write):
    with pytest.raises(UserError, match='found "text" alone'):
        read_pairs(write("text\nd e f\n"))


def test_usual_names_of_a_header_are_seen_though_the_cells_are_as_short(write):
    pairs = read_pairs(write("word,pronunciation\ncat,K AE T\ndog,D AO G\n"))
    assert list(pairs.sources) == ["cat", "dog"]
    assert list(read_pairs(write("上联,下联\n天,地\n雨,风\n")).sources) == ["天", "雨"]


def test_words_that_are_codes_of_languages_are_no_header(write):
    assert read_table(write("is,it\nam,an\nso,to\n")).data.num_rows == 3


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("sorce", None), 'no column "sorce".*Did you mean "source"'),
        ((None, "targets"), 'no column "targets".*Did you mean "target"'),
        (("source", "source"), "as source and as target"),
    ],
)
def test_columns_asked_for_must_be_there_and_two(write, asked, words):
    with pytest.raises(UserError, match=words):
        read_pairs(write("source,target\na,b\n"), *asked)


def test_lists_are_refused(write):
    path = write(json.dumps({"source": ["a", "b"], "target": "c"}) + "\n", "data.jsonl")
    with pytest.raises(UserError, match='source column "source" holds lists'):
        read_pairs(path)


# Rows


def test_every_value_stays_a_string(write):
    pairs = read_pairs(write("source,target\nnan,null\n007,7.0\nTrue,None\n"))
    assert list(pairs.sources) == ["nan", "007", "True"] and list(pairs.targets) == ["null", "7.0", "None"]


def test_rows_without_a_side_are_dropped_and_named(write):
    pairs = read_pairs(write('source,target\na,b\n,c\nd,\n"  ",  \ne\nf,g\n'))
    assert list(pairs.sources) == ["a", "f"] and list(pairs.targets) == ["b", "g"] and pairs.rows.tolist() == [2, 7]
    path = pairs.source
    assert pairs.notes == (
        f"{path}: dropped 2 rows without a source (line 3, 5).",
        f"{path}: dropped 2 rows without a target (line 4, 6).",
    )


def test_no_complete_row_is_refused(write):
    with pytest.raises(UserError, match="no row has both a source and a target"):
        read_pairs(write("source,target\na,\n,b\n"))


def test_targets_that_all_equal_their_sources_are_refused_for_training_alone(write):
    path = write("source,target\na,a\nb,b\n")
    with pytest.raises(UserError, match="equal in every row"):
        read_pairs(path)
    assert len(read_pairs(path, preferred=PairColumns("source", "target", ""))) == 2


def test_taking_rows_keeps_what_belongs_together(write):
    taken = read_pairs(write("source,target\na,b\nc,d\ne,f\n")).take(np.array([2, 0]))
    assert list(taken.sources) == ["e", "a"] and list(taken.targets) == ["f", "b"] and taken.rows.tolist() == [4, 2]
    assert len(taken) == 2


# For a model


def test_prediction_needs_sources_alone_and_drops_no_row(write):
    path = write('{"source": "a", "target": "b"}\n{"target": "c"}\n{"source": ""}\n', "data.jsonl")
    pairs = read_pairs(path, need_target=False)
    assert list(pairs.sources) == ["a", "", ""] and len(pairs.targets) == 0 and pairs.columns.target is None
    assert list(pairs.take(np.array([0])).sources) == ["a"] and pairs.notes == ()


@pytest.mark.parametrize(
    ("header", "expected"),
    [("id,source", "source"), ("text,label", "text"), ("en,de", "en"), ("sentence", "sentence"), ("id,odd", "odd")],
)
def test_prediction_finds_a_column_of_sources(write, header, expected):
    row = ",".join(f"a {name}" for name in header.split(","))
    pairs = read_pairs(write(f"{header}\n{row}\n{row}s\n"), need_target=False)
    assert pairs.columns.source == expected


def test_the_columns_of_the_training_are_used_where_the_file_has_them(write):
    trained = PairColumns("de", "en", "")
    assert columns_of(write("en,de,source,target\na,b,c,d\n"), preferred=trained) == ("de", "en")
    assert columns_of(write("en,de,fr\na,b,c\n"), "fr", preferred=trained) == ("fr", "en")
    assert columns_of(write("en,de,fr\na,b,c\n"), "en", "fr", preferred=trained) == ("en", "fr")
    assert columns_of(write("en,de\na,b\n"), need_target=False, preferred=trained) == ("de", None)


def test_columns_of_the_training_that_the_file_lacks_are_found_anew_and_noted(write):
    pairs = read_pairs(write("source,target\na,b\n"), preferred=PairColumns("en", "de", ""))
    assert (pairs.columns.source, pairs.columns.target) == ("source", "target")
    assert [note.split(": ", 1)[1] for note in pairs.notes] == [
        'the model was trained on source column "en", which this file lacks; took "source".',
        'the model was trained on target column "de", which this file lacks; took "target".',
    ]


def test_classes_are_not_taken_for_targets_of_a_model_unless_they_are_named(write):
    rows = "".join(f"a text of {row} words,{'no' if row % 2 else 'yes'}\n" for row in range(12))
    path, trained = write("text,label\n" + rows), PairColumns("en", "de", "")
    with pytest.raises(UserError, match=r'"label", holds a few values again and again.* with --target-column\.$'):
        read_pairs(path, preferred=trained)
    assert columns_of(path, None, "label", preferred=trained) == ("text", "label")
    assert columns_of(path, "text", preferred=trained, need_target=False) == ("text", None)
    named = write("xx,answer\n" + rows)
    assert columns_of(named, preferred=trained) == ("xx", "answer"), "found by its name"


# Split


def test_every_pair_lands_on_one_side():
    train, dev = split_pairs([f"text {row}" for row in range(40)], 0.25)
    assert sorted([*train, *dev]) == list(range(40)) and len(dev) == 10


def test_equal_sources_never_land_on_two_sides():
    clothes = ["Text {}", "text {}", " TEXT  {} ", "text\t{}", "text\n{}"]
    sources = [clothes[row % 5].format(row // 5) for row in range(500)]
    train, dev = split_pairs(sources, 0.2, seed=1)
    assert not {row // 5 for row in train} & {row // 5 for row in dev}
    assert 90 <= len(dev) <= 100


def test_the_tail_of_the_file_is_not_the_dev_set():
    _, dev = split_pairs([f"text {row}" for row in range(1000)], 0.1)
    assert 300 < dev.mean() < 700


def test_a_seed_decides_which_pairs_are_set_aside():
    sources = [f"text {row}" for row in range(100)]
    assert split_pairs(sources, 0.1, 5)[1].tolist() == split_pairs(sources, 0.1, 5)[1].tolist()
    assert split_pairs(sources, 0.1, 5)[1].tolist() != split_pairs(sources, 0.1, 6)[1].tolist()


@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("sources", [["a", "b"], ["a", "a", "b"], ["a"] * 5 + ["b"] * 5, ["a", "b", "b", "c"] * 3])
def test_each_side_has_a_row(sources, fraction):
    train, dev = split_pairs(sources, fraction)
    assert len(train) and len(dev)


@pytest.mark.parametrize(("sources", "fraction"), [(["a", "A "], 0.5), ([], 0.5), (["a", "b"], 0.0), (["a", "b"], 1.0)])
def test_what_cannot_be_split_is_refused(sources, fraction):
    with pytest.raises(UserError):
        split_pairs(sources, fraction)


# Checks


def notes_of(write, **parts):
    read = {name: read_pairs(write("source,target\n" + rows, f"{name}.csv")) for name, rows in parts.items()}
    return pair_notes(**read)


def test_sound_pairs_have_no_notes(write):
    assert notes_of(write, train="a,b\nc,d\n", dev="e,f\n", test="g,h\n") == []


def test_sources_of_dev_and_test_that_stand_in_train_are_counted(write):
    notes = notes_of(write, train="a b,x\nc,y\n", dev="d,z\n", test="A  b,w\ne,v\n")
    assert notes == [
        "1 row with a source that stands in train, too: test 1 of 2 (50.0%). Scores on them flatter the model."
    ]


def test_sources_with_several_targets_are_counted_and_repeats_are_not(write):
    (note,) = notes_of(write, train="a,x\na,y\nA,x\nb,z\nb,z\n")
    assert "3 rows with a source that has several targets: train 3 of 5 (60.0%)" in note


def test_many_rows_that_copy_their_source_are_counted(write):
    others = "".join(f"s{row},t{row}\n" for row in range(18))
    (note,) = notes_of(write, train=others + "u,u\nv,v\n")
    assert "2 rows whose target is the source: train 2 of 20 (10.0%)" in note
    others = "".join(f"s{row},t{row}\n" for row in range(99))
    assert notes_of(write, train=others + "u,u\n") == []


def test_rows_of_odd_lengths_are_named_by_line(write):
    others = "".join(f"a sentence of some words {row},ein Satz mit einigen Worten {row}\n" for row in range(9))
    # 110 / 11 and, the other way, 40 / 11 beside about 38 / 36: ten times as long, and under five times as short.
    (note,) = notes_of(write, train=others + f"a,{'x' * 100}\n{'x' * 30},a\n")
    assert "train 1 of 11 (9.1%; line 11)" in note


def test_targets_of_several_lines_are_told_where_they_are_learnt_from(write):
    rows = 'a,"one\ntwo"\nb,"x\ty"\nc,"plain "\n'
    (note,) = notes_of(write, train=rows, dev='d,"one\ntwo"\n')
    assert note.startswith("2 rows whose target holds line breaks or tabs: train 2 of 3")


def test_damaged_texts_are_named_by_line_on_either_side(write):
    (note,) = notes_of(write, train="itâ€™s,b\nc,d\n", test="e,Ã©tÃ©\nf &amp; f,g\n")
    assert "train 1 of 2 (50.0%; line 2), test 1 of 2 (50.0%; line 2)" in note
