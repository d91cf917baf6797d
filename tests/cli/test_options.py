"""Flags, config files, run.json and earlier models come to one set of options; later ones win."""

import dataclasses
import json
import subprocess
import sys

import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.config import CONFIGS, RunConfig
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.options import parse_run, read_config, to_arguments
from kerasnlp_kit.rules import unread


def options(*arguments) -> RunConfig:
    config, resume = parse_run([str(argument) for argument in arguments])
    assert not resume
    return config


@pytest.mark.parametrize("name", ["options.yaml", "options.yml", "options.json"])
def test_a_config_file_gives_options_and_flags_win(here, name):
    content = {"train": "a.csv", "model": "lstm_classifier", "units": 9, "lower": False, "text_column": ["x", "y"]}
    # JSON is YAML too.
    (here / name).write_text(json.dumps(content))
    config = options("--config", name, "--units", "7")
    assert (config.train, config.model, config.text.lower) == ("a.csv", "lstm_classifier", False)
    assert config.data.text_column == ("x", "y")
    assert config.architecture.units == 7


def test_a_file_named_on_the_command_line_replaces_that_of_the_config(here):
    (here / "options.yaml").write_text("train: a.csv\ntext_column: [x]\n")
    assert options("b.csv", "--config", "options.yaml").train == "b.csv"


def test_names_in_a_config_file_may_be_those_of_the_flags(here):
    (here / "options.yaml").write_text("--max-length: 5\nbatch-size: 7\n")
    config = options("a.csv", "--config", "options.yaml")
    assert (config.text.max_length, config.training.batch_size) == (5, 7)


def test_the_run_json_of_an_earlier_run_gives_the_same_options_again(trained):
    config = options("--config", trained / "run.json")
    recorded = json.loads((trained / "run.json").read_text())["options"]
    assert json.loads(json.dumps(config.flat())) == recorded
    assert recorded["filters"] == config.architecture.filters != type(config.architecture)().filters


def test_every_option_of_every_model_survives_the_way_through_a_file(here):
    for spec in registry.available():
        several = ("--freeze", "embedding") if spec.task == "classification" else ()
        first = options("a.csv", "--model", spec.name, "--seed", 5, *several, "--no-texts")
        (here / "options.json").write_text(json.dumps(first.flat()))
        assert options("--config", "options.json") == first


def test_an_earlier_model_gives_its_model_and_sizes(trained):
    config = options("a.csv", "--from", trained, "--epochs", 3)
    recorded = json.loads((trained / "run.json").read_text())
    assert config.model == recorded["model"]
    assert json.loads(json.dumps(dataclasses.asdict(config.architecture))) == recorded["parts"][0]["architecture"]
    assert recorded["options"]["learning_rate"] != 0.001
    assert config.training.epochs == 3
    assert config.training.learning_rate == 0.001, "how it was trained is not taken over"


@pytest.mark.parametrize("spec", registry.available(), ids=lambda spec: spec.name)
def test_without_flags_all_options_have_the_defaults_of_their_classes_but_for_those_of_the_model(spec):
    config = options("a.csv", "--model", spec.name)
    classes = CONFIGS[spec.task]("a.csv", spec.name, None, architecture=spec.architecture()).flat()
    assert set(spec.defaults) < set(classes)
    assert config.flat() == classes | dict(spec.defaults)


def test_without_a_model_it_is_auto_with_punctuation_and_trained_on_all_rows_in_the_end():
    config = options("a.csv")
    assert (config.model, config.text.keep_punctuation, config.training.refit) == ("auto", True, True)
    config = options("a.csv", "--no-keep-punctuation", "--no-refit", "--rungs", "ngram_linear", "--minutes", "0.5")
    assert (config.text.keep_punctuation, config.training.refit) == (False, False)
    assert (config.architecture.rungs, config.architecture.minutes) == (("ngram_linear",), 0.5)


def test_later_ones_win_over_the_defaults_of_a_model(here, monkeypatch):
    spec = dataclasses.replace(
        registry.find("wide_deep_classifier"),
        defaults={"epochs": 2, "patience": 2, "batch_size": 2, "filters": 2, "warmup": 0.2},
        presets={"own": {"epochs": 3, "patience": 3, "batch_size": 3, "filters": 3}},
    )
    monkeypatch.setattr(registry, "find", lambda name: spec)
    (here / "options.yaml").write_text("preset: own\nepochs: 4\npatience: 4\nbatch_size: 4\n")
    flags = ("--epochs", 5, "--patience", 5)
    config = options("a.csv", "--model", spec.name, "--config", "options.yaml", *flags)
    training = config.training
    found = (training.epochs, training.batch_size, config.architecture.filters, training.warmup, training.clip_norm)
    # flag, config file, its preset, the model's own default, that of the class
    assert found == (5, 4, 3, 0.2, 1.0)
    assert training.patience == 5


def test_the_defaults_of_a_model_are_kept_by_the_run_json_of_another_choice(here):
    chosen = options("a.csv", "--no-refit", "--rungs", "cnn_classifier")
    (here / "run.json").write_text(json.dumps({"options": chosen.flat()}))
    again = options("--config", "run.json")
    assert again == chosen and not again.training.refit


@pytest.mark.parametrize("model", ["auto", "ngram_linear", "wide_deep_classifier"])
def test_only_a_single_network_can_be_started_from(here, model):
    (here / "old").mkdir()
    (here / "old" / "run.json").write_text(json.dumps({"options": options("a.csv", "--model", model).flat()}))
    with pytest.raises(UserError) as caught:
        options("b.csv", "--from", "old")
    networks = "cnn_classifier, lstm_classifier, transformer_classifier"
    assert str(caught.value) == f"--from old: {model} is no single network to start from; these are: {networks}."


def test_keywords_become_flags():
    arguments = to_arguments({"units": 5, "lower": False, "from_model": "m", "freeze": ["a", "b"], "name": None})
    assert arguments == ["--units", "5", "--no-lower", "--from", "m", "--freeze", "a", "b"]


def test_a_list_of_columns_does_not_swallow_the_file_name():
    assert options("a.csv", "--text-column", "title", "body").data.text_column == ("title", "body")
    assert options("--text-column", "title", "--epochs", 2, "a.csv").train == "a.csv"


def test_a_list_that_is_named_twice_has_the_values_of_both():
    for flags in (
        ("a.csv", "--text-column", "title", "--epochs", 2, "--text-column", "body"),
        ("--text-column=title", "--text_column=body", "a.csv", "--epochs", 2),
        ("--epochs", 2, "--text-column", "title", "--text-column=body", "a.csv"),
    ):
        config = options(*flags, "--model", "cnn_classifier")
        assert (config.train, config.data.text_column, config.training.epochs) == ("a.csv", ("title", "body"), 2)


def test_from_python_wrong_options_are_user_errors_too(here):
    import kerasnlp_kit as kit

    (here / "a.csv").write_text("text,label\n")
    with pytest.raises(UserError, match=r"unknown option '--epoch'; did you mean --epochs\?"):
        kit.train("a.csv", epoch=3)
    with pytest.raises(UserError, match=r"unknown option '--zzz'; kerasnlp-kit train --help lists the options"):
        kit.train("a.csv", zzz=3)
    with pytest.raises(UserError, match="--epochs must be a whole number"):
        kit.train("a.csv", epochs="many")
    with pytest.raises(UserError, match="no rows"):
        kit.train(here / "a.csv")


def test_a_config_file_of_another_encoding_is_refused(here):
    (here / "options.yaml").write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(UserError, match=r"options.yaml cannot be read"):
        read_config("options.yaml")


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "doctor", "models"])
def test_help_imports_neither_tensorflow_nor_keras_nor_pyarrow(command):
    code = (
        "import sys\n"
        "from kerasnlp_kit.cli import main\n"
        "try:\n"
        f"    main(['{command}', '--help'])\n"
        "except SystemExit as exit_:\n"
        "    heavy = {'tensorflow', 'keras', 'jax', 'torch', 'pyarrow', 'pandas', 'numpy', 'sklearn'}\n"
        "    print('imported:', sorted(heavy & set(sys.modules)), 'code:', exit_.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] in ("imported: [] code: 0", "imported: [] code: None")
    assert f"usage: kerasnlp-kit {command}" in done.stdout


def test_the_help_tells_every_option_of_the_model_asked_for(command):
    out = command("train", "--model", "lstm_classifier", "--help").out
    for field in dataclasses.fields(registry.find("lstm_classifier").architecture):
        assert f"--{field.name.replace('_', '-')}" in out
    assert "None" not in out, "an option that is not set needs no default"


def test_models_lists_every_model_with_its_options(command):
    ran = command("models")
    assert ran.code == 0
    for spec in registry.available():
        assert f"{spec.name}" in ran.out and spec.summary in ran.out
        for field in dataclasses.fields(spec.architecture):
            assert field.default is None or f"{field.name.replace('_', '-')}" in ran.out
    assert [line for line in ran.out.splitlines() if "(default for labelled texts)" in line] == [
        f"auto (default for labelled texts), classification: {registry.find('auto').summary}"
    ]
    assert "  --rungs ngram_linear cnn_classifier lstm_classifier transformer_classifier  --minutes 2.0" in ran.out
    assert "    has its own defaults: --keep-punctuation --refit\n" in ran.out


def test_without_a_command_the_commands_are_told(command):
    ran = command()
    assert ran.code == 2 and "usage: kerasnlp-kit COMMAND" in ran.out
    assert command("--help").code == 0
    assert command("--version").out.strip() == "0.1.0"


@pytest.mark.parametrize("flag", ["--overwrite", "--new-version"])
def test_a_run_is_resumed_where_it_is_and_puts_its_model_as_it_was_to(here, flag):
    unfinished = here / "elsewhere" / "reviews.unfinished"
    unfinished.mkdir(parents=True)
    begun = options("a.csv", "--models", "gone", "--name", "other", "--epochs", "7", "--model", "cnn_classifier", flag)
    (unfinished / "run.json").write_text(json.dumps({"options": begun.flat()}))
    for named in (unfinished, unfinished.with_name("reviews")):
        config, resume = parse_run(["--resume", str(named)])
        assert resume and config.training.epochs == 7
        output = config.output
        assert (output.models, output.name) == (str(here / "elsewhere"), "reviews")
        assert (output.overwrite, output.new_version) == (flag == "--overwrite", flag == "--new-version")


def test_what_was_not_to_be_replaced_is_not_replaced_by_resuming_and_the_data_may_be_named_anew(here):
    (here / "reviews.unfinished").mkdir()
    begun = options("https://host/a.csv?...", "--model", "cnn_classifier")
    (here / "reviews.unfinished" / "run.json").write_text(json.dumps({"options": begun.flat()}))
    config, _ = parse_run(["--resume", "reviews"])
    assert (config.output.overwrite, config.output.new_version, config.train) == (False, False, begun.train)
    for arguments in (["a.csv", "--resume", "reviews"], ["--resume=reviews", "a.csv"]):
        assert parse_run(arguments)[0].train == "a.csv"
    for flags in (["--epochs", "2"], ["--no-refit"], ["--config", "a.yaml"], ["--from", "a"], ["--blocks", "lstm"]):
        with pytest.raises(UserError, match=f"'{flags[0]}' cannot stand beside --resume, which takes everything from"):
            parse_run(["--resume", "reviews", *flags])
    with pytest.raises(UserError, match="one argument too many"):
        parse_run(["a.csv", "b.csv", "--resume", "reviews"])
    with pytest.raises(UserError, match="--resume needs a value"):
        parse_run(["--resume"])
    with pytest.raises(UserError, match="--resume must name an unfinished run"):
        parse_run(["--resume="])
    with pytest.raises(UserError, match=r"unknown option '--train'; (?!did you mean --train)"):
        parse_run(["--train", "a.csv", "--resume", "reviews"])
    with pytest.raises(UserError, match="unknown option '---resume'"):
        parse_run(["---resume", "reviews"])


def test_beside_resume_the_files_that_the_run_had_may_be_named_once_more(here, monkeypatch):
    (here / "reviews.unfinished").mkdir()
    begun = options("a.csv", "--model", "cnn_classifier", "--dev", "https://host/d.csv?...", "--out-of-scope", "o.csv")
    (here / "reviews.unfinished" / "run.json").write_text(json.dumps({"options": begun.flat()}))
    monkeypatch.setenv("HOME", str(here))
    again, _ = parse_run(["--resume=~/reviews", "--dev", "https://host/d.csv?key=1", "--out_of_scope", "p.csv"])
    assert again.sources() == {"train": "a.csv", "dev": "https://host/d.csv?key=1", "out_of_scope": "p.csv"}
    assert again.training == begun.training
    with pytest.raises(UserError, match="has no --test: leave it out"):
        parse_run(["--resume", "reviews", "--test", "t.csv"])


def test_a_bare_yes_or_no_of_yaml_is_the_word(here):
    (here / "texts.yaml").write_text("model: causal_lm\npacked: no\n")
    assert options("a.txt", "--config", "texts.yaml").text.packed == "no"
    (here / "pairs.yaml").write_text("model: lstm_seq2seq\njoint: yes\nxla: no\n")
    config = options("a.csv", "--config", "pairs.yaml")
    assert config.text.joint == "yes" and config.writing.xla is False


def test_of_a_mixture_its_only_network_is_started_from(here):
    network = {"kind": "network", "model": "cnn_classifier", "architecture": {"filters": 7, "kernels": [1, 2]}}
    linear = {"kind": "linear", "model": "ngram_linear", "architecture": {"word_ngrams": 1}}
    (here / "old").mkdir()
    flat = options("a.csv", "--no-lower").flat()
    (here / "old" / "run.json").write_text(json.dumps({"options": flat, "parts": [linear, network]}))
    config = options("b.csv", "--from", "old")
    assert config.model == "cnn_classifier" and config.architecture.filters == 7
    assert config.architecture.kernels == (1, 2) and not config.text.lower and config.text.keep_punctuation
    (here / "old" / "run.json").write_text(json.dumps({"options": flat, "parts": [network, network]}))
    with pytest.raises(UserError, match="auto is no single network to start from"):
        options("b.csv", "--from", "old")


def test_a_preset_that_is_asked_for_wins_over_a_config_file(here):
    first = options("a.csv", "--model", "lstm_classifier", "--epochs", 7, "--units", 9)
    (here / "run.json").write_text(json.dumps({"options": first.flat()}))
    strong = registry.find("lstm_classifier").presets["strong"]
    config = options("--config", "run.json", "--preset", "strong", "--units", 5)
    assert config.training.epochs == strong["epochs"] != 7 and config.architecture.units == 5
    assert config.preset == "strong"
    named = {"train": "a.csv", "model": "lstm_classifier", "preset": "strong", "epochs": 7}
    (here / "options.json").write_text(json.dumps(named))
    assert options("--config", "options.json").training.epochs == 7


def test_a_config_file_may_name_the_task(here):
    (here / "options.yaml").write_text("task: seq2seq\n")
    assert options("a.csv", "--config", "options.yaml").model == "transformer_seq2seq"
    assert options("a.csv", "--config", "options.yaml", "--task", "language_model").model == "causal_lm"


@pytest.mark.parametrize("flag", ["--overwrite", "--new-version"])
def test_that_an_earlier_run_replaced_a_model_is_not_taken_from_its_run_json(here, flag):
    (here / "run.json").write_text(json.dumps({"options": options("a.csv", flag).flat()}))
    output = options("--config", "run.json").output
    assert not output.overwrite and not output.new_version
    (here / "options.yaml").write_text("overwrite: true\n")
    assert options("a.csv", "--config", "options.yaml").output.overwrite, "a file of one's own may say so"


def test_what_begins_with_a_hyphen_is_a_value_in_a_config_file(here):
    (here / "options.json").write_text(json.dumps({"label_separator": "--", "name": "-", "train": "a.csv"}))
    config = options("--config", "options.json")
    assert (config.data.label_separator, config.output.name) == ("--", "-")


def test_infinity_is_a_word_in_run_json(here):
    config = options("a.csv", "--minutes", "inf")
    text = json.dumps({"options": config.flat()}, allow_nan=False)
    (here / "run.json").write_text(text)
    assert options("--config", "run.json") == config


def test_another_model_that_starts_from_an_earlier_one_reads_texts_as_that_does(here):
    network = {"kind": "network", "model": "cnn_classifier", "architecture": {"filters": 7, "embedding_dim": 5}}
    (here / "old").mkdir()
    flat = options("a.csv", "--max-length", "50", "--model", "wide_deep_classifier").flat()
    (here / "old" / "run.json").write_text(json.dumps({"options": flat, "parts": [network]}))
    for model in ("wide_deep_classifier", "lstm_classifier"):
        config = options("b.csv", "--from", "old", "--model", model)
        assert config.model == model and config.text.max_length == 50 and config.architecture.embedding_dim == 5
    network["architecture"] |= {"dropout": 0.3}
    (here / "old" / "run.json").write_text(json.dumps({"options": flat, "parts": [network]}))
    assert options("b.csv", "--from", "old", "--model", "wide_deep_classifier").architecture.dropout == 0.3
    assert options("b.csv", "--from", "old", "--model", "lstm_classifier").architecture.dropout != 0.3, "its own"


def test_a_list_of_a_later_layer_takes_the_place_of_an_earlier_one(here):
    (here / "old").mkdir()
    flat = options("a.csv", "--model", "cnn_classifier", "--kernels", "2", "3").flat()
    (here / "old" / "run.json").write_text(json.dumps({"options": flat}))
    config = options("b.csv", "--from", "old", "--config", "old/run.json")
    assert config.architecture.kernels == (2, 3)
    (here / "c.json").write_text('{"kernels": [4]}')
    assert options("b.csv", "--from", "old", "--config", "c.json").architecture.kernels == (4,)
    assert options("b.csv", "--from", "old", "--config", "c.json", "--kernels", "5", "6").architecture.kernels == (5, 6)


def test_a_preset_leaves_what_the_earlier_model_fixes(here):
    (here / "old").mkdir()
    network = {"kind": "network", "model": "cnn_classifier", "architecture": {"filters": 7}}
    flat = options("a.csv", "--model", "cnn_classifier").flat() | {"filters": 7}
    (here / "old" / "run.json").write_text(json.dumps({"options": flat, "parts": [network]}))
    strong = registry.find("cnn_classifier").presets["strong"]
    config = options("b.csv", "--from", "old", "--preset", "strong")
    assert strong["keep_punctuation"] and not config.text.keep_punctuation
    assert config.architecture.filters == 7
    own = {name: value for name, value in strong.items() if hasattr(config.training, name)}
    assert own and all(getattr(config.training, name) == value for name, value in own.items())


def test_options_that_others_make_idle_are_known():
    idle = {name for holds, names, _ in unread(options("a.csv", "--dev", "b.csv")) if holds for name in names}
    assert idle == {"dev_fraction"}
    recurrent = options("a.txt", "--model", "causal_lm", "--blocks", "lstm")
    idle = {name for holds, names, _ in unread(recurrent) if holds for name in names}
    assert idle == {"heads", "feed_forward", "activation", "attention_dropout"}


@pytest.mark.parametrize("spec", registry.available(), ids=lambda spec: spec.name)
def test_what_may_be_idle_are_options_of_the_model(spec):
    config = options("a.csv", "--model", spec.name)
    for holds, names, why in unread(config):
        assert why and (not holds or set(names) <= set(config.flat()))
