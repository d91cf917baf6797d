"""Trains the network of a model that writes, whatever it writes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kerasnlp_kit.api.network_fitting import save_weights
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import PairConfig, TextConfig, TokenTrainingOptions
from kerasnlp_kit.constants import NETWORK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import CHECKPOINTS, build_network
from kerasnlp_kit.training import devices

if TYPE_CHECKING:  # it imports Keras, whose backend must be chosen first
    from kerasnlp_kit.training.loop import Measures


def network_part(run: Run[Any], sizes: Any, tokenizers: Mapping[str, str], library: str | None) -> dict[str, Any]:
    """The entry of the network in run.json, as far as all such models have it.

    Args:
        run: of the training.
        sizes: of `registry.SIZES`.
        tokenizers: file names.
        library: what a loader must have beside TensorFlow.
    """
    return {
        "name": run.spec.name,
        "kind": NETWORK,
        "model": run.spec.name,
        "architecture": dataclasses.asdict(run.config.architecture),
        "sizes": dataclasses.asdict(sizes),
        "tokenizers": dict(tokenizers),
        "library": library,
        "training": {},
    }


def fit_network(
    run: "Run[PairConfig] | Run[TextConfig]",
    batches: Any,
    loss: Any,
    measures: "Measures",
    plan: Callable[[int, str], list[str]],
) -> dict[str, str]:
    """Trains the network of the only part and writes its weights, or continues from its checkpoint.

    Args:
        run: of the training.
        batches: `PairBatches` or the like, with a seed.
        loss: of what they yield second, and logits.
        measures: see `training.loop.Extras`.
        plan: parameters and device to the lines that say what is about to be learnt.

    Returns:
        What the report says of it.
    """
    from kerasnlp_kit.training.loop import Extras, train

    options: TokenTrainingOptions = run.config.training
    work, (part,) = run.places.work, run.record["parts"]
    if options.accumulate > len(batches) and not run.resume:
        raise UserError(
            f"--accumulate must be at most the number of steps in an epoch, {len(batches)}, or the weights would not "
            f"change in it. Received: {options.accumulate}"
        )
    devices.seed_everything(options.seed, jit=options.jit)
    with devices.precision(options.mixed_precision):
        network = build_network(part, portable=options.jit)  # XLA compiles none of cuDNN's operations
    parameters = network.count_params()
    device = devices.describe_device(1) + f", {run.config.device.backend}"
    run.say("")
    for line in plan(parameters, device):
        run.say(line)
    run.say("")
    average = None
    if options.average_epochs:
        average = max(0.0, 1 - 1 / (options.average_epochs * len(batches)))
    outcome = train(
        network,
        batches,
        None,
        loss,
        None,
        options,
        work.path / CHECKPOINTS / part["name"],
        history=work.path / "history.csv",
        extras=Extras(measures, options.accumulate, average, options.minutes * 60 if options.minutes else None),
    )
    save_weights(network, work.weights(part))
    outcome.tell_best(run.say)
    part["training"] = {
        **outcome.record(),
        "parameters": parameters,
        "target_tokens_an_epoch": batches.target_tokens,
    }
    return {
        "model": f"{run.spec.name}, {parameters:,} parameters",
        "training": outcome.line(),
        "device": device,
        "seed": str(options.seed),
    }
