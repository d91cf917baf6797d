"""What a person gets wrong: exit code 2, one line that says what to do, and nothing half-written."""

import json
import shutil

import pytest

ROWS = "".join(f"good {row},yes\nbad {row},no\n" for row in range(10))
CNN = ("--model", "cnn_classifier")
LINEAR = ("--model", "ngram_linear")


# The file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", ["empty"], id="an empty file"),
        pytest.param(b"text,label\n", ["no rows"], id="a header only"),
        pytest.param(b"id,label\n" + b"1,a\n2,b\n" * 5, ["column", "--text-column"], id="no column of texts"),
        pytest.param(b"text,label\n" + b"a b,x\nc d,x\n" * 5, ["one class only", '"x"'], id="one class"),
        pytest.param(
            b"text,label\n" + b"".join(b"words %d,class%d\n" % (row, row) for row in range(9)),
            ["9 classes in 9 rows"],
            id="more classes than half the rows",
        ),
        pytest.param(b"text,label\n" + b",x\n ,y\n" * 5, ["empty", "--text-column"], id="all texts empty"),
        pytest.param(
            b"text,label\ngood one,x\ncaf\xe9 au lait,y\nbad one,y\n",
            ["UTF-8", "line 3", "byte", "0xe9"],
            id="latin-1",
        ),
        pytest.param(b'text,label\n"never closed,x\n' + b"a b,y\n" * 9, ["quot", "line 2"], id="an unclosed quote"),
        pytest.param(b"text,label\na\0b,x\nc d,y\n" * 3, ["NUL", "line 2"], id="NUL bytes"),
    ],
)
def test_a_bad_file_is_told_in_one_line(here, refused, content, words):
    (here / "data.csv").write_bytes(content)
    message = refused("train", "data.csv")
    assert "data.csv" in message
    for word in words:
        assert word in message


def test_a_missing_file_is_told_with_the_likely_one(here, refused):
    (here / "reviews.csv").write_text("text,label\n" + ROWS)
    assert "there is no such file. Did you mean reviews.csv?" in refused("train", "review.csv")


def test_a_folder_for_a_file(here, refused):
    assert "this is a folder" in refused("train", here)


def test_a_missing_label_column_is_told_with_the_columns_that_there_are(here, refused):
    (here / "data.csv").write_text("text,label\n" + ROWS)
    message = refused("train", "data.csv", "--label-column", "topic")
    assert message.endswith('there is no column "topic". The columns are: text, label.')


def test_what_a_file_says_cannot_steer_the_terminal(here, command):
    (here / "data.csv").write_text("text,\x1b[2Jlabel\n" + "a b,x\x1b[2J\nc d,x\x1b[2J\n" * 3)
    ran = command("train", "data.csv")
    assert ran.code == 2 and "\x1b" not in ran.out + ran.err
    assert r"\x1b[2Jlabel" in ran.out and r"\x1b[2J" in ran.err


def test_a_missing_dev_file_is_told_before_training(here, refused):
    (here / "data.csv").write_text("text,label\n" + ROWS)
    assert "dev.csv: there is no such file" in refused("train", "data.csv", "--dev", "dev.csv")


@pytest.mark.parametrize("flag", ["--dev", "--test"])
def test_a_dev_or_test_file_without_the_labels_is_told_before_training(here, refused, flag, reviews):
    (here / "other.csv").write_text("text,language\nthe room was clean,en\nschmutzig,de\nthe room was dirty,en\n")
    message = refused("train", reviews, flag, "other.csv")
    assert '"label", which this file lacks' in message and '"text", "language"' in message


# The flags


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--epoch", "3"], "unknown option '--epoch'; did you mean --epochs?"),
        (["--epoch=3"], "unknown option '--epoch=3'; did you mean --epochs?"),
        (["--unitz", "3"], "unknown option '--unitz'; did you mean --units?"),
        (
            ["--units", "3"],
            "'--units' is no option of auto, but of --model feedforward_lm or lstm_classifier or lstm_seq2seq or "
            "text_vae or vae_gan.",
        ),
        (
            ["--rungs", "x", "--model", "cnn_classifier"],
            "'--rungs' is no option of cnn_classifier, but of --model auto.",
        ),
        (["--epochs", "abc"], "--epochs must be a whole number. Received: 'abc'"),
        (["--epochs", "1.5"], "--epochs must be a whole number. Received: '1.5'"),
        (["--max-length", "long"], "--max-length must be a whole number. Received: 'long'"),
        (["--learning-rate", "0,1"], "--learning-rate must be a number. Received: '0,1'"),
        ([*CNN, "--kernels", "two"], "--kernels must be a whole number. Received: 'two'"),
        (["--epochs"], "--epochs needs a value."),
        (["--epochs", "0"], "--epochs must be 1 or more. Received: 0"),
        (["--dev-fraction", "1"], "--dev-fraction must be between 0 and 1. Received: 1.0"),
        (["--min-precision", "0"], "--min-precision must be above 0 and at most 1. Received: 0.0"),
        (["--min-precision", "95"], "--min-precision must be above 0 and at most 1. Received: 95.0"),
        (["--min-precision", "high"], "--min-precision must be a number. Received: 'high'"),
        ([*CNN, "--dropout", "1.5"], "--dropout must be from 0 to below 1. Received: 1.5"),
        ([*CNN, "--kernels"], "--kernels must be one number or several. Received: []"),
        ([*CNN, "--kernels", "3", "3"], "--kernels must be different numbers. Received: [3, 3]"),
        (
            ["--model", "causal_lm", "--d-model", "8", "--heads", "8"],
            "--heads must be below --d-model, as rotary positions need two numbers a head. Received: 8",
        ),
        (
            ["--model", "lstm_seq2seq", "--attention", "none", "--coverage-penalty", "0.1"],
            "--coverage-penalty must be 0 with --attention none, which looks at no place of the source. Received: 0.1",
        ),
        (
            ["--model", "lstm_seq2seq", "--subword-sampling", "inf"],
            "--subword-sampling must be above 0 and finite. Received: inf",
        ),
        (["--minutes", "0"], "--minutes must be above 0. Received: 0.0"),
        (["--minutes", "-1"], "--minutes must be above 0. Received: -1.0"),
        (["--minutes", "nan"], "--minutes must be above 0. Received: nan"),
        (["--rungs"], "--rungs must be one name or several. Received: []"),
        (["--rungs", "cnn_clasifier"], "There is no model 'cnn_clasifier': did you mean cnn_classifier?"),
        (["--rungs", "wide_deep_classifier"], "--rungs takes single models. Received: wide_deep_classifier"),
        (["--rungs", *["ngram_linear"] * 2], "--rungs takes each model once. Received: ngram_linear ngram_linear"),
        (["--rungs", "cnn_classifier", "--minutes", "0.01"], "--minutes is too short for any of the --rungs"),
        (["--epochs", "3"], "--epochs is set by each model of auto for itself: name one"),
        (["--batch-size", "8"], "--batch-size is set by each model of auto for itself: name one"),
        ([*LINEAR, "--strengths"], "--strengths must be one number or several. Received: []"),
        ([*LINEAR, "--strengths", "1", "0"], "--strengths must be above 0. Received: [1.0, 0.0]"),
        ([*LINEAR, "--word-ngrams", "0"], "--word-ngrams must be 1 or more. Received: 0"),
        ([*LINEAR, "--char-ngrams", "5", "2"], "--char-ngrams must be the shortest, then the longest. Received: 5 2"),
        ([*LINEAR, "--max-megabytes", "0"], "--max-megabytes must be above 0. Received: 0.0"),
        ([*LINEAR, "--min-texts", "99"], "No n-gram is in 99 texts of data.csv; lower --min-texts."),
        (["--label-separator", ""], "expected a label separator of one character or more"),
        (["--model", "lstm_clasifier"], "There is no model 'lstm_clasifier': did you mean lstm_classifier?"),
        (["--model", "LSTM"], "There is no model 'LSTM': did you mean lstm_classifier or lstm_seq2seq?"),
        (["--model", "a"], "There is no model 'a': did you mean auto?"),
        (["--preset", "x"], "auto has no preset 'x'; its presets: none."),
        ([*CNN, "--preset", "x"], "cnn_classifier has no preset 'x'; its presets: strong."),
        (["more.csv"], "'more.csv' is one argument too many"),
        (["--name", "../x"], "--name must be a plain folder name of at most 200 bytes"),
        (["--from", "models/old"], "There is no model folder models/old to start from"),
        (["--out-of-scope", "outside.csv"], "outside.csv: there is no such file"),
        (["--config", "no.yaml"], "The config file no.yaml cannot be read"),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(here, refused, flags, expected):
    (here / "data.csv").write_text("text,label\n" + ROWS)
    assert expected in refused("train", "data.csv", *flags)


def test_a_wrong_choice_is_told_with_the_right_ones(refused):
    message = refused("train", "data.csv", "--schedule", "cosin")
    assert "--schedule" in message
    assert all(choice in message for choice in ("'cosin'", "constant", "linear", "cosine"))


def test_a_missing_file_name_is_told_with_the_usage(refused):
    assert refused("train").startswith("DATA must be given: kerasnlp-kit train DATA")
    assert refused("evaluate").startswith("MODEL and DATA must be given: kerasnlp-kit evaluate MODEL DATA")
    assert refused("predict", "models/x").startswith("DATA must be given: kerasnlp-kit predict MODEL DATA; ")
    assert refused("generate").startswith("MODEL must be given: kerasnlp-kit generate MODEL [TEXT]; ")


def test_a_misspelt_flag_is_told_rather_than_what_is_missing_because_of_it(refused):
    assert refused("train", "--epoch=3") == "unknown option '--epoch=3'; did you mean --epochs?"


def test_the_small_commands_tell_wrong_flags_too(refused):
    assert refused("evaluate", "m", "d", "--jsn") == "unknown option '--jsn'; did you mean --json?"
    assert "'x' is one argument too many" in refused("models", "x")


def test_a_narrow_terminal_changes_nothing(refused, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    message = refused("train", "data.csv", "--checkpoint-seconds", "soon")
    assert message == "--checkpoint-seconds must be a number. Received: 'soon'"


def test_an_unknown_command_is_told_with_the_known_ones(refused):
    assert (
        refused("trian")
        == "unknown command 'trian'; the commands: train, evaluate, predict, generate, augment, doctor, models."
    )


# The config file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("epoch: 3\n", "unknown option 'epoch'; did you mean epochs?"),
        ("trian: data.csv\n", "unknown option 'trian'; did you mean train?"),
        ("epochs: [1\n", "must be YAML or JSON"),
        ("- epochs\n", "must map option names to values"),
        ("epochs: many\n", "--epochs must be a whole number. Received: 'many'"),
        ("epochs: {most: 3}\n", "'epochs' must be text, a number, true or false, or a list"),
    ],
)
def test_a_bad_config_file_is_told_in_one_line(here, refused, content, words):
    (here / "options.yaml").write_text(content)
    assert words in refused("train", "data.csv", "--config", "options.yaml")


# The output


def test_a_name_that_is_taken_is_refused_before_training(here, command, trained):
    shutil.copytree(trained, here / "models" / "tickets")
    (here / "tickets.csv").write_text("text,label\n" + ROWS)
    ran = command("train", "tickets.csv")
    assert ran.code == 2
    assert ran.err == "error: models/tickets exists: give --overwrite, --new-version, or another --name.\n"


def test_an_output_of_an_unknown_format_is_refused_before_labelling(here, command, trained):
    ran = command("predict", trained, "not_even_there.csv", "--output", "out.xlsx")
    assert ran.code == 2
    assert "out.xlsx: expected a name that ends in .csv" in ran.err


# The model folder


def test_a_missing_model_folder_is_told_with_those_that_there_are(here, command, trained):
    shutil.copytree(trained, here / "models" / "tickets")
    ran = command("evaluate", "models/ticket", "data.csv")
    assert (ran.code, ran.err) == (2, "error: There is no model folder models/ticket. Did you mean models/tickets?\n")
    ran = command("evaluate", "tickets", "data.csv")
    assert (ran.code, ran.err) == (2, "error: There is no model folder tickets. Did you mean models/tickets?\n")


@pytest.mark.parametrize(
    "name", ["manifest.json", "run.json", "labels.json", "saved_model/1/saved_model.pb", "tokenizer.json"]
)
def test_a_model_folder_that_lacks_a_file_is_told(here, command, trained, name):
    folder = shutil.copytree(trained, here / "broken")
    (folder / name).unlink()
    ran = command("evaluate", folder, "data.csv")
    assert ran.code == 2 and len(ran.err.splitlines()) == 1
    assert "is not a complete model folder" in ran.err and name in ran.err


@pytest.mark.parametrize("name", ["saved_model/1/variables/variables.index", "labels.json"])
def test_a_model_folder_that_was_changed_is_told(here, command, trained, name):
    folder = shutil.copytree(trained, here / "broken")
    with (folder / name).open("ab") as file:
        file.write(b" ")
    ran = command("evaluate", folder, "data.csv")
    assert ran.code == 2 and len(ran.err.splitlines()) == 1
    assert f"{folder / name} is not what manifest.json says" in ran.err


def test_a_file_put_into_the_saved_model_is_told(here, command, trained):
    folder = shutil.copytree(trained, here / "broken")
    (folder / "saved_model" / "1" / "assets" / "extra.txt").write_text("x")
    ran = command("evaluate", folder, "data.csv")
    assert ran.code == 2 and "extra.txt is not in manifest.json" in ran.err


def test_a_manifest_must_not_point_out_of_the_folder(here, command, trained):
    folder = shutil.copytree(trained, here / "broken")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../secret"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (here / "secret").write_text("x")
    ran = command("evaluate", folder, "data.csv")
    assert ran.code == 2 and "names a file outside the folder: '../secret'" in ran.err


def test_a_folder_that_is_no_model_is_told(here, command):
    (here / "models" / "x").mkdir()
    ran = command("predict", "models/x", "data.csv")
    assert ran.code == 2 and "models/x is not a complete model folder: manifest.json is missing" in ran.err


def test_a_missing_file_is_told_also_where_its_name_is_taken(command, here):
    (here / "models" / "topics").mkdir()
    ran = command("train", "topics.csv")
    assert ran.code == 2 and ran.err == "error: topics.csv: there is no such file. Check the path.\n"


# How it is told


def test_traceback_shows_where_an_error_came_from(command):
    ran = command("train", "no.csv", "--traceback")
    assert ran.code == 2
    assert ran.err.startswith("Traceback") and "error: no.csv: there is no such file" in ran.err.splitlines()[-1]


def test_an_error_costs_no_import_of_tensorflow(here, shell):
    (here / "data.csv").write_text("text,label\n" + "same words,x\n" * 9)
    ran = shell("train.py", "data.csv", python=["-X", "importtime"])
    assert ran.code == 2
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines() if line.startswith("import time:")}
    assert "pyarrow" in imported
    assert not {"tensorflow", "keras", "sklearn", "matplotlib"} & imported
    told = [line for line in ran.err.splitlines() if not line.startswith("import time:")]
    assert len(told) == 1 and told[0].startswith("error: data.csv: ")
