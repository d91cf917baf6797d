"""What a person gets wrong with pairs of texts: exit code 2, one line that says what to do, nothing half-written."""

import csv
import json
import shutil

import pytest

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder

WRITER = ("--model", "transformer_seq2seq")
HEADER = b"source,target\n"
PAIRS = "".join(f"May {day},1998-05-{day:02d}\n" for day in range(1, 21))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", ["empty"], id="an empty file"),
        pytest.param(b"source,target\n", ["no rows"], id="a header only"),
        pytest.param(b"source\nMay 3\nMay 4\n", ["source", "alone", "two columns"], id="one column"),
        pytest.param(HEADER + b",x\ny,\n" * 3, ["no row has both", "--target-column"], id="a side always empty"),
        pytest.param(HEADER + b"same,same\nother,other\n" * 3, ["every row"], id="source equal to target"),
        pytest.param(b"source,target\na,b\ncaf\xe9,c\nd,e\n", ["UTF-8", "line 3", "0xe9"], id="latin-1"),
        pytest.param(HEADER + b"a\0b,x\nc d,y\n" * 3, ["NUL", "line 2"], id="NUL bytes"),
        pytest.param(b'source,target\n"never closed,x\n' + b"a b,y\n" * 9, ["quot", "line 2"], id="an unclosed quote"),
        pytest.param(b"a,b,c\n" + b"x y,z,so it is\nu,v w,no\n", ["a, b, c", "--source-column"], id="three columns"),
    ],
)
def test_a_bad_file_is_told_in_one_line(here, refused, content, words):
    (here / "pairs.csv").write_bytes(content)
    message = refused("train", "pairs.csv", *WRITER)
    assert "pairs.csv" in message
    for word in words:
        assert word in message


def test_one_pair_leaves_none_to_choose_by(here, refused):
    (here / "pairs.csv").write_text("source,target\nMay 3,1998-05-03\n")
    assert "two or more distinct texts" in refused("train", "pairs.csv", *WRITER)


def test_a_missing_file_is_told_with_the_likely_one(here, refused):
    (here / "pairs.csv").write_text("source,target\n" + PAIRS)
    assert "there is no such file. Did you mean pairs.csv?" in refused("train", "pair.csv", *WRITER)
    assert "dev.csv: there is no such file" in refused("train", "pairs.csv", "--dev", "dev.csv")


def test_more_steps_to_add_up_than_an_epoch_has_are_refused(here, refused):
    (here / "pairs.csv").write_text("source,target\n" + PAIRS)
    message = refused("train", "pairs.csv", *WRITER, "--accumulate", "50")
    assert "--accumulate must be at most the number of steps in an epoch, 1, or the weights would not change" in message


def test_a_missing_column_is_told_with_those_that_there_are(here, refused):
    (here / "pairs.csv").write_text("source,target\n" + PAIRS)
    message = refused("train", "pairs.csv", "--target-column", "english")
    assert '"english"' in message and "source, target" in message


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--vocabulary", "9"], "--vocabulary must be 10 or more. Received: 9"),
        (["--max-length", "0"], "--max-length must be 1 or more. Received: 0"),
        (["--batch-tokens", "0"], "--batch-tokens must be 1 or more. Received: 0"),
        (["--accumulate", "0"], "--accumulate must be 1 or more. Received: 0"),
        (["--average-epochs", "-1"], "--average-epochs must be 0 or more. Received: -1.0"),
        (["--minutes", "0"], "--minutes must be above 0. Received: 0.0"),
        (["--beam", "0"], "--beam must be from 1 to 64. Received: 0"),
        (["--length-penalty", "-1"], "--length-penalty must be 0 or more. Received: -1.0"),
        (["--dev-rows", "0"], "--dev-rows must be 1 or more. Received: 0"),
        (["--devices", "2"], "--devices must be 1: several are for classifiers. Received: 2"),
        (["--measure", "wer"], "--measure"),
        (["--d-mdel", "8"], "unknown option '--d-mdel'; did you mean --d-model?"),
        (["--batch-size", "8"], "'--batch-size' is no option of transformer_seq2seq"),
        (["--heads", "0"], "--heads must be 1 or more. Received: 0"),
        (["--name", "../x"], "--name must be a plain folder name"),
        # These need the texts: by then the folder of the run is there, and must not be left.
        (["--joint", "yes", "--source-tokenizer", "words"], "--joint yes needs the same tokens on both sides"),
        (
            ["--source-tokenizer", "subwords", "--target-tokenizer", "subwords", "--vocabulary", "10"],
            "No subwords can be found with a vocabulary of 10",
        ),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(here, refused, flags, expected):
    (here / "pairs.csv").write_text("source,target\n" + PAIRS)
    assert expected in refused("train", "pairs.csv", *WRITER, *flags)


def test_a_single_pair_cannot_be_split(here, refused):
    (here / "one.csv").write_text("source,target\nMay 3,1998-05-03\n")
    told = "one.csv: expected two or more distinct texts to set some aside for development; give a dev file."
    assert told in refused("train", "one.csv", *WRITER)


def test_a_resume_of_nothing_is_told(refused):
    assert "There is no unfinished run models/pairs.unfinished to resume." in refused(
        "train", "--resume", "models/pairs"
    )


# What is odd but no error


def test_odd_rows_are_dropped_cut_and_told_and_the_rest_is_learnt(here, command, trained_writer, without_export):
    odd = [
        ("May 3 🙂👍🏽", "1998-05-03 😀"),
        ("a" * 1_000_000, "1"),  # a megabyte
        ("too long to learn", "2" * 300),
        ("", "no source"),
        ("no target", " "),
        ('a "quoted", text\nin two lines', "3"),
    ]
    with (here / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("source", "target"), *odd])
        file.write(PAIRS)
    (here / "dev.csv").write_text("source,target\nMay 2,1998-05-0二\n", encoding="utf-8")
    options = ("--dev", "dev.csv", "--test", "dev.csv", "--max-length", "12", "--epochs", "1", "--name", "odd")
    ran = command("train", "pairs.csv", "--config", trained_writer / "run.json", *options)
    assert ran.code == 0, ran.out + ran.err
    assert "note: pairs.csv: dropped 1 row without a source (line 5)" in ran.out
    assert "note: pairs.csv: dropped 1 row without a target (line 6)" in ran.out
    assert "\nrows       train 24, dev 1, test 1\n" in ran.out
    # Longer than 12 characters: the megabyte, "too long to learn" and the quoted text.
    assert "the model reads 12; 3 sources are cut there; 1 rows with longer targets are left out" in ran.out
    # Of ten characters one is in no training target.
    assert "; 10.0% of the tokens of dev targets are unknown" in ran.out
    folder = ModelFolder(here / "models" / "odd")
    folder.verify()
    assert folder.run()["parts"][0]["max_source"] == 12
    assert list(folder.read_json("metrics.json")) == ["dev.csv", "dev.csv (test)"]


def test_rows_that_lack_a_side_are_left_out_of_an_evaluation_and_told(here, command, trained_writer):
    (here / "pairs.csv").write_text("source,target\nMay 3,1998-05-03\n,x\nMay 4,\n")
    ran = command("evaluate", trained_writer, "pairs.csv")
    assert ran.code == 0 and ran.out.splitlines()[0].endswith(" n=1")
    assert "without a source (line 3)" in ran.out and "without a target (line 4)" in ran.out


def test_a_file_without_targets_is_told_in_an_evaluation(here, refused, trained_writer):
    (here / "new.csv").write_text("source\nMay 3\nMay 4\n")
    assert '"source" alone' in refused("evaluate", trained_writer, "new.csv")


# The model folder


def broken(here, trained_writer):
    return shutil.copytree(trained_writer, here / "broken")


@pytest.mark.parametrize("name", ["source.json", "target.json", "run.json", "saved_model/1/saved_model.pb"])
def test_a_folder_that_lacks_a_file_is_told(here, refused, trained_writer, dates, name):
    folder = broken(here, trained_writer)
    (folder / name).unlink()
    for command_line in (("evaluate", folder, dates), ("predict", folder, dates)):
        message = refused(*command_line)
        assert "is not a complete model folder" in message and name in message


def test_a_folder_that_was_changed_is_told(here, refused, trained_writer, dates):
    folder = broken(here, trained_writer)
    with (folder / "target.json").open("ab") as file:
        file.write(b" ")
    assert f"{folder / 'target.json'} is not what manifest.json says" in refused("predict", folder, dates)


@pytest.mark.parametrize("parts", [[], [None]])
def test_a_model_without_parts_is_told(here, refused, trained_writer, dates, parts):
    folder = ModelFolder(broken(here, trained_writer))
    folder.write_json("run.json", {**folder.run(), "parts": parts})
    folder.write_manifest()
    assert "must name the model's parts" in refused("predict", folder.path, dates)


@pytest.mark.parametrize("name", ["../source.json", "/etc/passwd", "run.json", "weights/x.json", None, 3, ["a"]])
def test_a_tokenizer_is_never_read_from_elsewhere(here, trained_writer, name):
    folder = ModelFolder(broken(here, trained_writer))
    (part,) = folder.run()["parts"]
    for side in ("source", "target"):
        tokenizers = {**part["tokenizers"], side: name}
        with pytest.raises(UserError, match=f"must name the {side}'s tokenizer. Received: "):
            folder.pair_tokenizers({**part, "tokenizers": tokenizers})
    with pytest.raises(UserError, match="must name the source's tokenizer"):
        folder.pair_tokenizers({**part, "tokenizers": name})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": "characters"}', '{"kind": "bytes", "pieces": ["a"]}'])
def test_a_damaged_tokenizer_is_the_users_error(here, trained_writer, content):
    folder = ModelFolder(broken(here, trained_writer))
    (part,) = folder.run()["parts"]
    (folder.path / "source.json").write_text(content)
    with pytest.raises(UserError, match="A saved tokenizer must"):
        folder.pair_tokenizers(part)
    (folder.path / "source.json").unlink()
    with pytest.raises(UserError, match=r"source\.json cannot be read: No such file"):
        folder.pair_tokenizers(part)


def test_a_writer_is_no_start_for_fine_tuning(here, refused, trained_writer, tickets):
    message = refused("train", tickets, "--from", trained_writer)
    assert "transformer_seq2seq is no single network to start from" in message


def test_a_run_whose_parts_are_of_another_task_is_told(here, refused, trained_writer, dates):
    folder = ModelFolder(broken(here, trained_writer))
    folder.write_json("run.json", {**folder.run(), "task": "summaries"})
    folder.write_manifest()
    message = refused("evaluate", folder.path, dates)
    assert "Its task: summaries" in message
    assert json.loads((folder.path / "run.json").read_text())["task"] == "summaries"
