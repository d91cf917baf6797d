"""Language models and autoencoders, as a person trains, evaluates and asks them."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

import kerasnlp_kit as kit
from kerasnlp_kit.export.folder import ModelFolder

SMALL = ("--epochs", "6", "--learning-rate", "0.02", "--samples", "12", "--batch-tokens", "256")
TINY = {
    "causal_lm": ("--layers", "1", "--d-model", "16", "--heads", "2", "--feed-forward", "16"),
    "feedforward_lm": ("--previous", "2", "--units", "16", "--embedding-dim", "8"),
    "text_vae": ("--latent", "4", "--units", "16", "--embedding-dim", "8"),
    "vae_gan": ("--latent", "4", "--units", "16", "--embedding-dim", "8", "--discriminator-units", "4"),
}
RATES = {
    "vae_gan": ("--learning-rate", "0.01", "--anneal-steps", "10", "--kl-weight", "0.5"),
}
FIRST_LINE = re.compile(r"^word perplexity (at most )?\d+\.\d\d( \[\d+\.\d\d, \d+\.\d\d\])? n=\d+$")
LINES = [
    f"the {size} {animal} {verb} the {place}"
    for size in ("small", "old", "green")
    for animal in ("dog", "cat", "teacher")
    for verb in ("sees", "likes", "finds", "leaves")
    for place in ("house", "street")
]


def train(run_in, folder, model, *further):
    (folder / "lines.txt").write_text("\n".join(LINES[:60]) + "\n")
    (folder / "more.txt").write_text("\n".join(LINES[60:]) + "\n")
    ran = run_in(
        folder,
        "train",
        "lines.txt",
        "--model",
        model,
        *SMALL,
        *TINY[model],
        *RATES.get(model, ()),
        "--tokenizer",
        "words",
        *further,
    )
    assert ran.code == 0, ran.out + ran.err
    return ran


@pytest.fixture(scope="module")
def place(once, run_in):
    """A folder with a trained language model, models/lines, and an autoencoder, models/points."""

    def make(folder):
        said = train(run_in, folder, "causal_lm", "--test", "more.txt").out
        train(run_in, folder, "text_vae", "--name", "points")
        (folder / "output.txt").write_text(said)
        (folder / "empty.txt").write_bytes(b"")
        (folder / "one.txt").write_text("just one line\n")

    return once("language", make)


def test_a_run_tells_its_plan_and_ends_with_the_perplexity_beside_ngrams(place):
    lines = (place / "output.txt").read_text().splitlines()
    assert lines[0] == "lines.txt: 60 texts (plain text); each line is a text"
    assert any(line.startswith("lengths    median 6") and "joined to one; 256 in sight" in line for line in lines)
    assert any(FIRST_LINE.fullmatch(line) for line in lines)
    for order in (3, 5):
        assert any(f"than Kneser-Ney {order}-grams (" in line for line in lines)
    assert any(line.startswith("12 generated texts") for line in lines)


def test_the_divergence_has_its_whole_weight_after_a_third_of_a_short_training(place):
    (part,) = ModelFolder(place / "models" / "points").run()["parts"]
    steps = part["architecture"]["anneal_steps"]
    # 54 texts of 7 tokens or so in steps of 256, six times.
    assert steps == 6 * -(-54 * 7 // 256) // 3


def test_the_folder_holds_what_it_should(place):
    folder = place / "models" / "lines"
    ModelFolder(folder).verify()
    assert {"MODEL_CARD.md", "report.html", "text.json", "metrics.json", "history.csv"} <= {
        path.name for path in folder.iterdir()
    }
    run = json.loads((folder / "run.json").read_text())
    assert (run["task"], run["model"]) == ("language_model", "causal_lm")
    assert run["data"]["columns"]["text"] == ["paragraph"]
    report = (folder / "report.html").read_text()
    assert "Generated texts" in report and "The most surprising texts" in report
    for name in ("run.json", "MODEL_CARD.md", "metrics.json"):
        assert LINES[0] not in (folder / name).read_text(), "no text of the data is shipped"
    points = (place / "models" / "points" / "report.html").read_text()
    assert "The latent space" in points and "Between two texts" in points and "active units" in points


def test_the_same_seed_gives_the_same_texts_and_the_prompt_stays(place, run_in):
    asked = ("generate", "models/lines", "the small dog", "--count", "3", "--max-tokens", "4", "--seed", "5")
    first, again = run_in(place, *asked), run_in(place, *asked)
    assert first.code == 0 and first.out == again.out
    lines = first.out.splitlines()
    assert len(lines) == 3 and all(line.startswith("the small dog") for line in lines)
    other = run_in(place, *asked[:-1], "6").out.splitlines()
    assert other[0] == lines[1], "text n has the seed + n"
    greedy = run_in(place, "generate", "models/lines", "the small dog", "--greedy", "--json").out
    assert json.loads(greedy)["text"].startswith("the small dog")
    several = run_in(place, "generate", "models/lines", "--prompts", "more.txt", "--max-tokens", "1").out.splitlines()
    assert [line.startswith(text) for line, text in zip(several, LINES[60:], strict=True)] == [True] * 12


def test_an_autoencoder_draws_and_goes_from_one_text_to_another(place, run_in):
    drawn = run_in(place, "generate", "models/points", "--count", "4", "--seed", "3")
    assert drawn.code == 0 and len(drawn.out.splitlines()) == 4
    line = run_in(place, "generate", "models/points", "--interpolate", LINES[0], LINES[50], "--steps", "3")
    assert line.code == 0 and len(line.out.splitlines()) == 3
    model = kit.load(place / "models" / "points")
    assert line.out.splitlines()[::2] == model.reconstruct([LINES[0], LINES[50]])
    mean, log_variance = model.encode(LINES[:5])
    assert mean.shape == log_variance.shape == (5, model.latent) == (5, 4)
    assert model.decode(mean) == model.reconstruct(LINES[:5])
    bounds, divergences, tokens = model.score(LINES[:5])
    assert (bounds < 0).all() and (divergences >= 0).all() and tokens.tolist() == [7] * 5


def test_more_vectors_bound_the_perplexity_of_an_autoencoder_closer(place, run_in):
    model = kit.load(place / "models" / "points")
    texts = LINES[60:]
    score = model.signatures["score"]
    weights = [score(text=tf.constant(texts), seed=3 + 12 * number)["log_weight"] for number in range(5)]
    expected = logsumexp(np.array(weights, "float64"), axis=0) - np.log(5)
    np.testing.assert_allclose(model.importance_bound(texts, 5, 3), expected, rtol=1e-6)
    asked = ("evaluate", "models/points", "more.txt", "--json")
    one, many = (json.loads(run_in(place, *asked, *more).out) for more in ((), ("--vectors", "100")))
    assert one["latent"]["vectors"] == 1 and many["latent"]["vectors"] == 100
    assert many["perplexity"] < one["perplexity"]
    assert many["perplexity"] == pytest.approx(
        np.exp(-model.importance_bound(texts, 100).sum() / many["units"]), rel=1e-5
    )


def test_a_plain_autoencoder_bounds_no_probability(place, tmp_path, run_in):
    folder = ModelFolder(shutil.copytree(place / "models" / "points", tmp_path / "plain"))
    run = folder.run()
    run["parts"][0]["architecture"]["kl_weight"] = 0.0
    (folder.path / "run.json").write_text(json.dumps(run))
    folder.write_manifest()
    ran = run_in(tmp_path, "evaluate", "plain", place / "more.txt", "--vectors", "3")
    assert ran.code == 2 and "a model with --kl-weight 0 gives them none" in ran.err
    ran = run_in(tmp_path, "evaluate", "plain", place / "more.txt", "--trained-on", place / "lines.txt")
    assert "perplexity given their vectors" in ran.out.splitlines()[0]
    assert "Kneser-Ney" not in ran.out and "follow no prior" in ran.out


def test_evaluation_is_of_the_saved_model_and_can_be_compared_with_the_training_texts(place, run_in):
    ran = run_in(
        place, "evaluate", "models/lines", "more.txt", "--trained-on", "lines.txt", "--samples", "5",
        "--predictions", "rows.csv", "--report", "more.html",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    first, *_ = ran.out.splitlines()
    assert FIRST_LINE.fullmatch(first) and "Kneser-Ney 5-grams" in ran.out and "5 generated texts" in ran.out
    metrics = json.loads((place / "models" / "lines" / "metrics.json").read_text())["more.txt"]
    assert first.startswith(f"word perplexity {metrics['perplexity']:.2f}")
    with (place / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == LINES[60:]
    total = sum(float(row["log_probability"]) for row in rows)
    assert total == pytest.approx(metrics["log_probability"], abs=1e-3)
    assert "The most surprising texts" in (place / "more.html").read_text()
    points = run_in(place, "evaluate", "models/points", "more.txt", "--json")
    found = json.loads(points.out)
    assert found["means"] == "bound" and found["latent"]["latent"] == 4 and found["comparisons"] == {}


def test_columns_are_joined_in_evaluation_as_they_were_in_training(place, run_in, tmp_path):
    for name, lines in (("train", LINES[:60]), ("test", LINES[60:])):
        cells = (line.split(" ", 2) for line in lines)
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,c", *(",".join(row) for row in cells), ""]))
    columns = ("--text-column", "a", "b", "c", "--text-separator", " + ")
    small = ("--model", "feedforward_lm", *TINY["feedforward_lm"], "--epochs", "1", "--samples", "0")
    ran = run_in(tmp_path, "train", "train.csv", "--test", "test.csv", *columns, *small)
    assert ran.code == 0, ran.err
    found = run_in(tmp_path, "evaluate", "models/train", "test.csv", "--predictions", "rows.csv", "--json")
    assert found.code == 0, found.err
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["text"] == LINES[60].replace(" ", " + ", 2)
    trained = json.loads((tmp_path / "models" / "train" / "metrics.json").read_text())["test.csv"]
    assert json.loads(found.out)["perplexity"] == pytest.approx(trained["perplexity"], rel=1e-4)


def test_it_is_loaded_by_its_task(place):
    lines, points = kit.load(place / "models" / "lines"), kit.load(place / "models" / "points")
    assert isinstance(lines, kit.LoadedGenerator) and isinstance(points, kit.LoadedAutoencoder)
    totals, tokens = lines.score(["the old cat sees the house", ""])
    assert np.isfinite(totals).all() and tokens.tolist() == [7, 1]
    assert lines.generate(["the"], seed=None) == lines.generate(["the"], seed=None, temperature=5.0)
    with pytest.raises(TypeError, match="must be several texts"):
        lines.generate("the")


@pytest.mark.parametrize("model", ["feedforward_lm", "vae_gan"])
def test_the_other_models_are_trained_and_proven(tmp_path, run_in, model):
    ran = train(run_in, tmp_path, model)
    assert "as the model in memory do" in ran.out
    metrics = list(json.loads((tmp_path / "models" / "lines" / "metrics.json").read_text()).values())[-1]
    history = ModelFolder(tmp_path / "models" / "lines").run()["parts"][0]["training"]["history"]
    losses = history["val_loss"]
    assert losses[-1] < losses[0] and np.isfinite(metrics["perplexity"])
    if model == "vae_gan":
        # The best epoch is chosen by what is trained for, in which the divergence counts half; the loss is the bound.
        half, tokens = 0.5 * np.array(history["val_divergence"]), 7  # of each line, with its end
        np.testing.assert_allclose(np.log(history["val_score"]), -np.array(losses) + half / tokens, rtol=1e-4)
        assert 0 <= metrics["latent"]["discriminator"] <= 1 and "discriminator's accuracy" in ran.out


def test_a_model_is_trained_on_jax_exported_by_tensorflow_and_proven(shell, here):
    model = "text_vae"  # holds a language model; each model's own losses on JAX are asked in the tests of the contract
    (here / "lines.txt").write_text("\n".join(LINES[:40]) + "\n")
    flags = (*TINY[model], "--epochs", "2", "--samples", "3", "--tokenizer", "words", "--packed", "no")
    ran = shell("train.py", "lines.txt", "--model", model, "--backend", "jax", *flags)
    assert ran.code == 0, ran.out + ran.err
    assert "CPU cores, jax" in ran.out and "as the model in memory do" in ran.out
    ModelFolder(here / "models" / "lines").verify()


def test_a_language_model_that_breaks_off_is_resumed_to_the_same_weights(tmp_path, run_in, monkeypatch, place):
    from kerasnlp_kit.training import loop

    class Killed(Exception):
        pass

    save = loop.save_checkpoint

    def killed(folder, progress, *state):
        save(folder, progress, *state)
        if progress.epoch == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", killed)
        with pytest.raises(Killed):
            train(run_in, tmp_path, "causal_lm", "--test", "more.txt")
    ran = run_in(tmp_path, "train", "--resume", "models/lines")
    assert ran.code == 0 and "Resuming after epoch 2" in ran.out
    one, other = (folder / "models" / "lines" / "history.csv" for folder in (place, tmp_path))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "models/points", "the"), "TEXT is for models of another task"),
        (("generate", "models/lines", "--interpolate", "a", "b"), "--interpolate is for models of another task"),
        (("generate", "models/points", "--interpolate", "a"), "--interpolate must be two texts"),
        (("generate", "models/lines", "--top-p", "0"), "--top-p must be above 0"),
        (("generate", "models/lines", "--temperature", "inf"), "--temperature must be 0 or more, and finite"),
        (("generate", "models/lines", "--max-tokens", "3000000000"), "--max-tokens must be from 1 to 1000000"),
        (("generate", "models/lines", "--count", "0"), "--count must be from 1 to 1000000"),
        (("generate", "models/lines", "--top-k", "3000000000"), "--top-k must be from 0 to 2147483647"),
        (("generate", "models/points", "--steps", "1"), "--steps must be from 2 to 1000000"),
        (("generate", "models/lines", "the", "--prompts", "more.txt"), "--prompts must be in place of TEXT"),
        (("augment", "rows.csv", "--output", "-"), "--output must be the name of a file"),
        (("generate", "models/lines", "--greedy", "--top-k", "3"), "--top-k would change nothing: with --greedy"),
        (("generate", "models/points", "--interpolate", "a", "b", "--count", "3"), "--count would change nothing"),
        (("generate", "models/points", "--steps", "3"), "--steps would change nothing: it is for --interpolate"),
        (("generate", "models/none"), "There is no model folder"),
        (("evaluate", "models/lines", "more.txt", "--samples", "3"), "--samples must be with --trained-on"),
        (("evaluate", "models/lines", "more.txt", "--vectors", "3"), "--vectors is for models of another task"),
        (("evaluate", "models/points", "more.txt", "--vectors", "0"), "--vectors must be 1 or more"),
        (("evaluate", "models/lines", "more.txt", "--beam", "3"), "--beam is for models of another task (seq2seq)"),
        (
            ("predict", "models/lines", "more.txt"),
            "language_model: ask it by `kerasnlp-kit generate models/lines`.",
        ),
        (("train", "lines.txt", "--task", "fortune"), "--task must be one of"),
        (("train", "lines.txt", "--task", "seq2seq", "--model", "causal_lm"), "is for --task language_model"),
        (("train", "lines.txt", "--model", "text_vae", "--packed", "yes"), "--packed must be auto or no"),
        (("train", "lines.txt", "--model", "causal_lm", "--context", "1"), "--context must be 2 or more"),
        (("train", "lines.txt", "--model", "causal_lm", "--units", "3"), "--units"),
        (("train", "empty.txt", "--name", "e"), "empty"),
        (("train", "one.txt", "--name", "e"), "two or more distinct texts"),
    ],
)
def test_mistakes_are_told_in_one_line(place, run_in, arguments, message):
    before = sorted(path.name for path in (place / "models").iterdir())
    ran = run_in(place, *arguments)
    assert ran.code == 2 and message in ran.err and len(ran.err.splitlines()) == 1, ran
    assert sorted(path.name for path in (place / "models").iterdir()) == before


def test_the_task_names_the_model(tmp_path):
    from kerasnlp_kit.api.dispatch import model_for_data
    from kerasnlp_kit.options import parse_run

    assert parse_run(["a.csv", "--task", "autoencoding"])[0].model == "text_vae"
    assert parse_run(["a.csv", "--task", "language_model"])[0].model == "causal_lm"
    assert model_for_data("stories.txt") == "causal_lm"
    path = tmp_path / "notes.csv"
    path.write_text("id,text\n1,a note\n2,another\n")
    assert model_for_data(str(path)) == "causal_lm"
    assert parse_run([str(path)], find_model=model_for_data)[0].model == "causal_lm"
    for asked in (["--label-column", "kind"], ["--label_column", "kind"], ["--label_column=kind"]):
        assert parse_run([str(path), *asked], find_model=model_for_data)[0].model == "auto"


def test_new_labelled_texts_are_made_from_those_of_a_file(tmp_path, run_in):
    rows = [(text, text.split()[2]) for text in LINES if "teacher" not in text]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "animal"), *rows])
    asked = ("augment", "rows.csv", "--label-column", "animal", "--count", "4", "--epochs", "3", "--output", "more.csv")
    ran = run_in(tmp_path, *asked)
    known = {text for text, _ in rows}
    assert ran.code == 0, ran.err
    with (tmp_path / "more.csv").open(newline="") as file:
        made = list(csv.DictReader(file))
    assert {row["animal"] for row in made} <= {"dog", "cat"} and not {row["text"] for row in made} & known
    assert 1 <= len({row["text"] for row in made}) == len(made) <= 8
    assert not list(tmp_path.glob("models")), "what it was made with is gone"


def test_each_line_of_a_file_of_prompts_is_one_whatever_stands_in_it(place, run_in, tmp_path):
    prompts = ["the dog, old", "the cat", 'a "teacher', "the house", "text,label"]
    (tmp_path / "prompts.csv").write_text("\n\n".join(("\n".join(prompts[:2]), "\n".join(prompts[2:]))) + "\n")
    flags = ("--prompts", tmp_path / "prompts.csv", "--max-tokens", "1")
    ran = run_in(place, "generate", "models/lines", *flags)
    assert ran.code == 0, ran.err
    assert [line.startswith(prompt) for line, prompt in zip(ran.out.splitlines(), prompts, strict=True)] == [True] * 5
    (tmp_path / "prompts.csv").write_text("\n \n")
    ran = run_in(place, "generate", "models/lines", *flags)
    assert ran.code == 2 and "holds nothing but blank lines. Expected prompts, one a line." in ran.err
