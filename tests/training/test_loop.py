import dataclasses
import itertools
import json
import math

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from kerasnlp_kit import registry
from kerasnlp_kit.config import TrainingOptions
from kerasnlp_kit.errors import GivenUp, TrainingDiverged
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.tasks.classification import BinaryCrossEntropy, MicroF1, SmoothedCrossEntropy
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices, loop
from kerasnlp_kit.training.batches import Batches
from kerasnlp_kit.training.checkpoint import save_checkpoint
from kerasnlp_kit.training.optimization import balanced_weights

SIZES = Sizes(vocabulary=9, classes=2, max_length=4)


def batches(rows, labels, seed=None, batch_size=4, weights=None):
    values = np.array(list(itertools.chain.from_iterable(rows)), "int32")
    ids = TokenIds(values, np.cumsum([0, *map(len, rows)]))
    return Batches(ids, np.array(labels, "int32"), batch_size, (4,), weights, seed=seed)


TRAIN = batches([[2, 3], [4, 5, 3], [2], [4, 6], [2, 6, 5], [4], [3, 2], [6, 4, 6]] * 2, [0, 1] * 8, seed=0)
DEV = batches([[2, 5], [4, 3], [2, 6, 3], [4, 6]], [0, 1, 0, 1])
WRONG = batches([[2, 5], [4, 3], [2, 6, 3], [4, 6]], [1, 0, 1, 0])  # gets worse the more is learnt


def network(dropout=0.0, seed=0):
    devices.seed_everything(seed)
    architecture = registry.find("cnn_classifier").architecture
    return architecture(4, (1,), 5, embedding_dropout=0.0, dropout=dropout).build(SIZES)


def train(folder, train_batches=TRAIN, dev=DEV, model=None, *, several=False, until=None, **options):
    """A short run: outcome, and the network with its final weights."""
    model = model or network()
    folder.mkdir(exist_ok=True)
    options = TrainingOptions(**{"epochs": 3, "learning_rate": 0.02, "checkpoint_seconds": 0.0} | options)
    loss, metric = SmoothedCrossEntropy(), keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    if several:
        loss, metric = BinaryCrossEntropy(), MicroF1(name="f1")
    outcome = loop.train(
        model,
        train_batches,
        dev,
        loss,
        metric,
        options,
        folder / "checkpoints",
        history=folder / "history.csv",
        until=until,
    )
    return outcome, model


def assert_same_weights(one, other):
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    (_, one), (_, again), (_, other) = (
        train(tmp_path / str(number), model=network(0.5, seed)) for number, seed in enumerate([3, 3, 4])
    )
    assert_same_weights(one, again)
    assert any((left != right).any() for left, right in zip(one.get_weights(), other.get_weights(), strict=True))


def test_the_weights_are_those_after_the_best_epoch(tmp_path):
    # What is common (2 is class 0, 4 is class 1) is learnt first, the exception (2 with 7 is class 1) later. Dev knows
    # the rule and denies the exception, so that it gets better first and worse in the end.
    rows = [[2, 3], [4, 3]] * 6 + [[2, 7], [2, 7]]
    memorizing = batches(rows, [0, 1] * 6 + [1, 1], seed=0)
    dev = batches([[2], [4], [2, 7], [2, 7, 5]], [0, 1, 0, 0])
    outcome, best = train(tmp_path / "long", memorizing, dev, epochs=30, patience=30)
    assert 1 < outcome.best_epoch < 30
    assert len(outcome.history["loss"]) == 30
    accuracy = outcome.history["val_accuracy"]
    assert accuracy[outcome.best_epoch - 1] == max(accuracy) > accuracy[-1]
    # With a constant learning rate, a run of so many epochs is the beginning of the long one.
    short, last = train(tmp_path / "short", memorizing, dev, epochs=outcome.best_epoch, patience=30)
    assert short.best_epoch == outcome.best_epoch
    assert_same_weights(best, last)


def test_among_epochs_of_equal_accuracy_the_one_of_lowest_loss_is_best(tmp_path):
    outcome, _ = train(tmp_path, epochs=12, patience=12)
    history = outcome.history
    pairs = [(-accuracy, loss) for accuracy, loss in zip(history["val_accuracy"], history["val_loss"], strict=True)]
    assert history["val_accuracy"].count(1.0) > 1
    assert outcome.best_epoch == 1 + pairs.index(min(pairs))


def test_training_ends_after_so_many_epochs_without_a_better_one_as_patience_says(tmp_path):
    outcome, _ = train(tmp_path, dev=WRONG, epochs=30, patience=2, learning_rate=0.05)
    assert len(outcome.history["loss"]) == outcome.best_epoch + 2 < 30


def test_the_best_epoch_is_that_of_the_metric_asked_for(tmp_path):
    labels = np.stack([TRAIN.labels == 0, TRAIN.labels == 1], axis=1)
    several = dataclasses.replace(TRAIN, labels=labels)
    dev = dataclasses.replace(DEV, labels=np.array([[1, 0], [0, 0], [1, 1], [0, 1]], bool))
    outcome, model = train(tmp_path, several, dev, several=True, epochs=8, patience=8)
    assert set(outcome.history) == {"f1", "loss", "val_f1", "val_loss", "learning_rate"}
    best = max(outcome.history["val_f1"])
    assert outcome.history["val_f1"][outcome.best_epoch - 1] == best > 0
    (ids, targets) = next(dev.epoch(0))
    chosen = np.asarray(model(ids)) > 0
    assert f1_score(targets, chosen, average="micro") == pytest.approx(best, abs=1e-6)


# Where to end


@pytest.mark.parametrize("dev", [DEV, None], ids=["with dev rows", "without"])
def test_a_run_ends_after_so_many_epochs_as_asked_and_the_schedule_is_that_of_all(tmp_path, dev):
    outcome, _ = train(tmp_path / "short", dev=dev, epochs=6, until=2, schedule="linear")
    whole, _ = train(tmp_path / "whole", dev=dev, epochs=6, patience=6, schedule="linear")
    assert len(whole.history["loss"]) == 6
    for name, values in outcome.history.items():
        assert values == whole.history[name][:2], name
    assert outcome.best_epoch == 2 if dev is None else 1 <= outcome.best_epoch <= 2
    # 4 batches an epoch, 24 steps in all.
    assert outcome.history["learning_rate"] == pytest.approx([0.02 * 20 / 24, 0.02 * 16 / 24])


# Without dev rows, as all is trained on in the end


def test_without_dev_rows_the_weights_are_those_of_the_last_epoch(tmp_path):
    # On dev, which gets worse, an early epoch is best; whoever sees no dev rows goes on, to the weights of the last.
    options = {"epochs": 4, "patience": 2, "learning_rate": 0.05}
    with_dev, chosen = train(tmp_path / "dev", dev=WRONG, **options)
    assert with_dev.best_epoch < 4
    outcome, model = train(tmp_path / "none", dev=None, **options)
    assert outcome.best_epoch == len(outcome.history["loss"]) == 4
    assert set(outcome.history) == {"accuracy", "loss", "learning_rate"}
    # On dev rows of which the last epoch is the best the same weights are chosen: they change nothing in training.
    on_dev, last = train(tmp_path / "better", **options)
    assert on_dev.best_epoch == 4
    assert_same_weights(model, last)
    assert any((left != right).any() for left, right in zip(chosen.get_weights(), last.get_weights(), strict=True))


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("kills", "further"),
    [([1], {}), ([5], {}), ([2, 4, 3], {}), ([2, 4, 3], {"dev": None, "epochs": 5, "until": 3})],
    ids=["in the first epoch", "in the second", "three times", "three times without dev rows"],
)
def test_a_run_that_breaks_off_continues_to_the_same_weights_and_history(tmp_path, monkeypatch, kills, further):
    options = {"epochs": 3, "checkpoint_seconds": 1e-9, "schedule": "cosine", "weight_decay": 0.1, **further}
    whole, expected = train(tmp_path / "whole", model=network(0.5), **options)
    assert len(whole.history["loss"]) == 3
    for seed, left in enumerate(
        kills
    ):  # checkpoints until the next break; there is one after each of the 4 batches of an epoch
        written = itertools.count(1)

        def save(*state, written=written, left=left):
            save_checkpoint(*state)
            if next(written) == left:
                raise Killed

        monkeypatch.setattr(loop, "save_checkpoint", save)
        with pytest.raises(Killed):
            train(tmp_path / "broken", model=network(0.5, seed), **options)
    monkeypatch.setattr(loop, "save_checkpoint", save_checkpoint)
    outcome, found = train(tmp_path / "broken", model=network(0.5, seed=9), **options)
    assert outcome.history == whole.history
    assert_same_weights(found, expected)


def test_the_history_file_holds_a_line_an_epoch(tmp_path):
    outcome, _ = train(tmp_path, schedule="linear")
    names, *lines = [line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines()]
    assert names == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]
    for number, line in enumerate(lines):
        expected = [number + 1, *(outcome.history[name][number] for name in names[1:])]
        assert [float(value) for value in line] == expected
    assert len(lines) == 3
    # 12 steps in all; the learning rate after each 4 of them.
    assert outcome.history["learning_rate"] == pytest.approx([0.02 * 8 / 12, 0.02 * 4 / 12, 0])


def test_class_weights_weigh_the_rows_in_the_loss(tmp_path):
    labels = [0, 0, 0, 0, 0, 1]
    rows = [[2], [3], [2, 3], [3, 3], [2, 2], [4]]
    weights = balanced_weights(np.array(labels), 2)
    model = network()
    model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
    logits = np.asarray(model(np.array([[*row, 0][:2] for row in rows], "int32")), "float64")
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), labels]
    # One batch: the loss of the first epoch is that before any step.
    outcome, _ = train(tmp_path, batches(rows, labels, 0, 6, weights), model=model, epochs=1)
    assert outcome.history["loss"] == pytest.approx([np.mean(weights * losses)], rel=1e-5)
    assert math.fabs(np.mean(weights * losses) - np.mean(losses)) > 0.01


def test_frozen_layers_stay_bit_identical(tmp_path):
    model = network()
    model.get_layer("embedding").trainable = False
    before = {layer.name: layer.get_weights() for layer in model.layers}
    train(tmp_path, model=model)
    for layer in model.layers:
        same = [(one == other).all() for one, other in zip(before[layer.name], layer.get_weights(), strict=True)]
        assert all(same) if layer.name == "embedding" else not any(same)


def test_training_in_16_bits_leaves_weights_of_32_bits(tmp_path):
    with devices.precision(True):
        model = network()
    assert keras.config.dtype_policy().name == "float32"
    assert model.get_layer("convolution_1").compute_dtype == "bfloat16"
    outcome, _ = train(tmp_path, model=model, epochs=6)
    assert outcome.history["loss"][-1] < outcome.history["loss"][0]
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        types = []
        file.visititems(lambda _, item: types.append(item.dtype) if isinstance(item, h5py.Dataset) else None)
    assert set(types) == {np.dtype("float32")}
    plain = network(seed=1)
    plain.load_weights(tmp_path / "model.weights.h5")
    ids = np.array([[2, 3, 0], [4, 6, 5]], "int32")
    np.testing.assert_allclose(plain(ids), model(ids), atol=0.05)


def test_saved_weights_hold_no_state_of_the_optimizer(tmp_path):
    _, model = train(tmp_path)
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert "optimizer" not in file


def test_a_training_that_diverges_keeps_the_best_epoch_before_and_one_that_never_learnt_is_refused(tmp_path, capsys):
    def trained(name, scores):
        waiting = iter(scores)
        seen = []

        def measures(values):
            seen.append(values)
            score = next(waiting)
            if score is None:
                raise TrainingDiverged
            return {"val_score": score, "val_loss": 1.0}

        model, options = network(), TrainingOptions(epochs=5, learning_rate=0.02)
        extras = loop.Extras(measures=measures)
        given = (model, TRAIN, None, SmoothedCrossEntropy(), None, options, tmp_path / name)
        return loop.train(*given, extras=extras), model, seen

    outcome, model, seen = trained("late", [1.0, 2.0, None])
    assert outcome.best_epoch == 2 and outcome.history["val_score"] == [1.0, 2.0]
    assert {len(values) for values in outcome.history.values()} == {2}
    for found, expected in zip(model.get_weights(), seen[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert "The best weights so far are kept" in capsys.readouterr().out
    again, model, seen = trained("late", [])  # resumed after that: it is over
    assert again.best_epoch == 2 and not seen
    with pytest.raises(TrainingDiverged):
        trained("early", [None])


def test_an_epoch_whose_weights_are_no_numbers_is_never_the_best(tmp_path, monkeypatch):
    scores = iter([(0.5, 1.0), (1.0, math.nan), (0.4, 1.1)])

    def measured(self, epoch, logs=None):
        accuracy, loss = next(scores)
        return ended(self, epoch, {**logs, "val_accuracy": accuracy, "val_loss": loss})

    ended = loop._Keeper.on_epoch_end
    monkeypatch.setattr(loop._Keeper, "on_epoch_end", measured)
    outcome, _ = train(tmp_path / "second")
    assert outcome.best_epoch == 1
    json.dumps(outcome.history, allow_nan=False)
    scores = iter([(1.0, math.nan), (0.5, 1.0), (0.4, 1.1)])
    assert train(tmp_path / "first")[0].best_epoch == 2


@pytest.mark.parametrize("jit", [True, False])
def test_the_step_is_compiled_by_xla_if_asked_and_deterministic_if_not(jit):
    from tensorflow.python.framework.config import is_op_determinism_enabled

    devices.seed_everything(0)  # of a training before this one in the process
    devices.seed_everything(0, jit=jit)
    model = registry.find("cnn_classifier").architecture(4, (1,), 5).build(SIZES)
    options = TrainingOptions(jit=jit)
    loop.compile_model(model, keras.optimizers.Adam(), SmoothedCrossEntropy(), None, options)
    assert model.jit_compile == jit and is_op_determinism_enabled() != jit
    assert np.isfinite(model.train_on_batch(np.array([[2, 3, 4, 5]]), np.array([1])))


@pytest.mark.parametrize("interrupted", [True, False])
def test_ctrl_c_after_a_training_that_it_ended_gives_up(interrupted):
    with pytest.raises(GivenUp if interrupted else KeyboardInterrupt) as caught, loop.giving_up_if(interrupted):
        raise KeyboardInterrupt
    assert isinstance(caught.value, GivenUp) == interrupted


def test_tensorboard_shows_what_an_epoch_is_measured_by_and_each_training_has_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    measured = loop.Extras(lambda values: {"val_loss": 0.5, "val_score": 2.0})
    for name in ("first", "second"):
        options = TrainingOptions(epochs=2, checkpoint_seconds=0.0, tensorboard="~/logs")
        loop.train(
            network(), TRAIN, None, SmoothedCrossEntropy(), None, options, tmp_path / "states" / name, extras=measured
        )
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"first", "second"}
    for name in ("first", "second"):
        (file,) = (tmp_path / "logs" / name / "validation").iterdir()
        events = tf.compat.v1.train.summary_iterator(str(file))
        found = {value.tag: float(tf.make_ndarray(value.tensor)) for event in events for value in event.summary.value}
        assert (found["epoch_loss"], found["epoch_score"]) == (0.5, 2.0)
