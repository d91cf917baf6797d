"""The training loop: Keras' ``fit`` with early stopping, checkpoints, resume and an orderly Ctrl-C."""

import contextlib
import csv
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnlp_kit.config import OptimizationOptions
from kerasnlp_kit.errors import GivenUp, TrainingDiverged, UserError
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.plain import to_plain
from kerasnlp_kit.training.batches import EpochDataset
from kerasnlp_kit.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from kerasnlp_kit.training.optimization import make_optimizer, weights_to_keep
from kerasnlp_kit.training.progress import tell, verbosity

Measures = Callable[[Sequence[np.ndarray]], Mapping[str, float]]


@dataclass(frozen=True)
class Outcome:
    """What a training run came to; the model holds the weights of the best epoch.

    In the history None stands for what is no number, for which JSON has no word.
    """

    history: Mapping[str, list[float | None]]
    best_epoch: int
    seconds: float
    interrupted: bool

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self.history.get("loss", ()))

    def record(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {
            "history": dict(self.history),
            "best_epoch": self.best_epoch,
            "seconds": round(self.seconds, 1),
            "interrupted": self.interrupted,
        }

    def line(self) -> str:
        """In short: `57 s, 20 epochs, best 12, ended by Ctrl-C`."""
        ended = ", ended by Ctrl-C" if self.interrupted else ""
        return f"{self.seconds:.0f} s, {self.epochs} epochs, best {self.best_epoch}{ended}"

    def tell_best(self, say: Callable[[str], None]) -> None:
        """Says which epoch the weights are of, if it is not the last."""
        if self.best_epoch < self.epochs:
            say(f"epoch {self.best_epoch} of {self.epochs} was the best on dev: its weights are taken")


@dataclass(frozen=True)
class Extras:
    """What only some trainings have.

    Attributes:
        measures: maps the model's weights to ``val_score``, 0 or more and the higher the better, ``val_loss``, and
            what else is worth a line, after each epoch; in place of a metric over dev batches.
        accumulate: see `make_optimizer`.
        average: see `make_optimizer`; then the averages are measured and kept.
        seconds: of training, after which it ends with the best weights so far.
    """

    measures: Measures | None = None
    accumulate: int = 1
    average: float | None = None
    seconds: float | None = None


def train(
    model: keras.Model,
    train_batches: Any,
    dev_batches: Any | None,
    loss: keras.losses.Loss,
    metric: keras.metrics.Metric | None,
    options: OptimizationOptions,
    checkpoints: Path,
    *,
    history: Path | None = None,
    until: int | None = None,
    extras: Extras | None = None,
) -> Outcome:
    """Trains a network and leaves the weights of the best epoch in it.

    The best epoch has the highest score on dev: the value of the metric, or what ``extras.measures`` says; among
    equals, the lowest dev loss. Without either it is the last one. If ``checkpoints`` holds a state, training continues
    from there, to the same weights as if it had never stopped.

    Args:
        model: from what the batches yield first to logits, not compiled.
        train_batches: `batches.Batches` or `pair_batches.PairBatches`, with a seed.
        dev_batches: without one; None where nothing is left to choose, or ``extras.measures`` chooses.
        loss: of what the batches yield second, and logits.
        metric: likewise, the higher the better; made, like the model, within the scope of the devices.
        options: see OptimizationOptions; the learning rate takes its course over all epochs of these.
        checkpoints: folder for the state of the run.
        history: CSV file to write, a line an epoch.
        until: epochs after which to end; by default all of the options.
        extras: what only some trainings have.

    Returns:
        History, best epoch (from 1), seconds of training over all starts, whether Ctrl-C ended it.
    """
    steps = len(train_batches) * options.epochs
    extras = extras or Extras()
    optimizer = make_optimizer(options, steps, accumulate=extras.accumulate, average=extras.average)
    compile_model(model, optimizer, loss, metric, options)
    # That of the model: with float16, Keras wraps the optimizer to scale the loss, with variables of its own.
    model.optimizer.build(model.trainable_variables)
    until = until or options.epochs
    measure = "val_score" if extras.measures else f"val_{metric.name}" if metric and dev_batches else None
    limits = _Limits(until, options.patience, measure, extras.seconds)
    keeper = _Keeper(model, options, limits, checkpoints, history, extras.measures)
    train_set, dev_set = EpochDataset(train_batches), EpochDataset(dev_batches) if dev_batches else None
    callbacks: list[Any] = [keeper]
    if options.tensorboard:
        # A folder for each of several trainings, whose curves have the same names; without the graph, of which Keras
        # would warn that it cannot be written as JSON.
        place = str(home_filled_in(options.tensorboard) / checkpoints.name)
        callbacks.append(keras.callbacks.TensorBoard(place, write_graph=False))
    if keeper.resumes:
        # Keras makes the variables of the metrics with the first batch only, and the state to put back holds them.
        model.test_on_batch(*next(train_batches.epoch(0)))
    with _orderly_interrupt(keeper):
        if keeper.progress.step and not keeper.progress.ended:
            # The rest of a broken-off epoch is a fit of its own: Keras fixes the number of batches for a whole fit.
            part = EpochDataset(train_batches, keeper.progress.step)
            _fit(model, part, dev_set, callbacks, keeper, keeper.progress.epoch + 1)
        _fit(model, train_set, dev_set, callbacks, keeper, until)
    keeper.finish()
    progress = keeper.progress
    interrupted = progress.interrupted or keeper.interrupted  # while the last state was being saved
    return Outcome(to_plain(dict(progress.history)), progress.best_epoch, progress.seconds, interrupted)


def compile_model(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    metric: keras.metrics.Metric | None,
    options: OptimizationOptions,
) -> None:
    """Compiles the model as `train` needs it."""
    jit = options.jit or keras.backend.backend() == "jax"
    model.compile(optimizer, loss, weighted_metrics=[], metrics=[metric] if metric else [], jit_compile=jit)


def _fit(
    model: keras.Model,
    train_set: EpochDataset,
    dev_set: EpochDataset | None,
    callbacks: list[Any],
    keeper: "_Keeper",
    until: int,
) -> None:
    if keeper.progress.ended or keeper.interrupted or keeper.progress.epoch >= until:
        return
    keeper.train_set = train_set
    verbose = verbosity()
    listed = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=True,
        verbose=verbose,
        epochs=keeper.limits.epochs,
        steps=len(train_set.batches) - train_set.start,
        model=model,
    )
    model.fit(
        train_set.dataset(),
        validation_data=dev_set.dataset() if dev_set else None,
        epochs=until,
        initial_epoch=keeper.progress.epoch,
        shuffle=False,  # the batches are shuffled already
        callbacks=listed,
        verbose=verbose,
    )


@dataclass(frozen=True)
class _Limits:
    """When a training ends, and what the best epoch is found by; without a measure it is the last one."""

    epochs: int
    patience: int
    measure: str | None
    seconds: float | None = None


class _Keeper(keras.callbacks.Callback):
    """Keeps the best weights, the history and the state; decides when to stop."""

    def __init__(
        self,
        model: keras.Model,
        options: OptimizationOptions,
        limits: _Limits,
        checkpoints: Path,
        history: Path | None,
        measures: Measures | None,
    ) -> None:
        super().__init__()
        self.options = options
        self.limits = limits
        self.measures = measures
        self.checkpoints = checkpoints
        self.history_file = history
        self.interrupted = False
        self.train_set: EpochDataset | None = None
        self.progress = Progress()
        self.best: list[np.ndarray] | None = None
        self._state_to_restore: list[np.ndarray] | None = None
        self.set_model(model)
        found = load_checkpoint(checkpoints)
        if found:
            self.progress, self._state_to_restore, self.best = found
            seconds = f"{self.progress.seconds:.0f} s of training"
            tell(f"Resuming after epoch {self.progress.epoch}, batch {self.progress.step} ({seconds} so far)")
        self._last_save = time.monotonic()
        self._clock = time.monotonic()

    @property
    def resumes(self) -> bool:
        """Whether a state waits to be put back."""
        return self._state_to_restore is not None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        assert self.train_set is not None
        self.train_set.number = epoch
        self._put_state_back()  # here, and not earlier, because the metrics were reset a moment ago
        self._clock = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        assert self.train_set is not None
        if self.interrupted or self._out_of_time():
            self.model.stop_training = True
            return
        every = self.options.checkpoint_seconds
        last = batch + 1 == len(self.train_set.batches) - self.train_set.start
        if every and not last and time.monotonic() - self._last_save >= every:
            self.progress.step = self.train_set.start + batch + 1
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        progress = self.progress
        values = weights_to_keep(self.model)
        if self.measures:
            try:
                found = self.measures(values)
            except TrainingDiverged as error:
                if self.best is None:
                    raise
                tell(f"{error} The best weights so far are kept.")
                progress.ended = self.model.stop_training = True
                self._save()
                return
            logs.update(found)  # in place: the line of the epoch and TensorBoard, which come after, show it
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        for name, value in {**logs, "learning_rate": rate}.items():
            progress.history.setdefault(name, []).append(float(value))
        progress.epoch, progress.step = epoch + 1, 0
        limits = self.limits
        score, loss = (logs[limits.measure], logs["val_loss"]) if limits.measure else (0.0, 0.0)
        # Weights that are no numbers have an accuracy, too; `measures` has refused them already.
        sound = self.measures is not None or math.isfinite(loss)
        better = score > progress.best_score or (score == progress.best_score and loss < progress.best_loss)
        if (better and sound) or self.best is None or not limits.measure:
            # Of a first epoch that is not sound any other is better.
            progress.best_epoch, progress.best_score, progress.best_loss = epoch + 1, score if sound else -1.0, loss
            progress.waited = 0
            self.best = values
        else:
            progress.waited += 1
        progress.interrupted = self.interrupted
        # An interrupted epoch is not whole: a run that is resumed after it exports and does not train on.
        over = progress.waited >= limits.patience or progress.epoch >= limits.epochs or self._out_of_time()
        if self.interrupted or over:
            progress.ended = True
            self.model.stop_training = True
        self._write_history()
        self._save()

    def finish(self) -> None:
        """Puts the best weights into the model, and takes the optimizer out: it is no part of what is saved."""
        self._put_state_back()  # of a run that had ended before
        model = self.model
        if self.best is not None:
            for variable, value in zip(model.weights, self.best, strict=True):
                variable.assign(value)
        model.optimizer = None

    def _out_of_time(self) -> bool:
        spent = self.progress.seconds + time.monotonic() - self._clock
        return self.limits.seconds is not None and spent >= self.limits.seconds

    def _put_state_back(self) -> None:
        if self._state_to_restore is not None:
            variables = self._variables()
            if len(variables) != len(self._state_to_restore):
                raise UserError("The run was begun by another version, which kept another state; start it anew.")
            for variable, value in zip(variables, self._state_to_restore, strict=True):
                variable.assign(value)
            if not self.progress.step:
                self.model.reset_metrics()  # what was saved there is of the epoch that had ended
            self._state_to_restore = None

    def _variables(self) -> list[Any]:
        model = self.model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _save(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        state = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in self._variables()]
        save_checkpoint(self.checkpoints, self.progress, state, self.best)
        self._last_save = self._clock = time.monotonic()

    def _write_history(self) -> None:
        if self.history_file is None:
            return
        history = self.progress.history
        temporary = self.history_file.with_name(f".{self.history_file.name}.partial")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["epoch", *history])
            writer.writerows([number, *row] for number, row in enumerate(zip(*history.values(), strict=True), 1))
        temporary.replace(self.history_file)


@contextlib.contextmanager
def giving_up_if(interrupted: bool) -> Iterator[None]:
    """Within it, Ctrl-C is the second one, where the first has ended a training."""
    try:
        yield
    except KeyboardInterrupt:
        if interrupted:
            raise GivenUp from None
        raise


@contextlib.contextmanager
def _orderly_interrupt(keeper: _Keeper) -> Iterator[None]:
    """The first Ctrl-C ends training after the current batch; a second one ends the program as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a signal's handler
        return

    def stop(number: int, frame: Any) -> None:
        keeper.interrupted = True
        signal.signal(signal.SIGINT, before)
        tell("\nStopping: the best weights so far are kept and exported (Ctrl-C again: give up)")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise GivenUp from None
    finally:
        signal.signal(signal.SIGINT, before)
