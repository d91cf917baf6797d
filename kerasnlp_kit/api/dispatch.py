"""Which task a run is of. Imports nothing heavy: `--help` comes through here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kerasnlp_kit.config import BaseConfig, PairConfig, RunConfig

if TYPE_CHECKING:
    from kerasnlp_kit.api.run import TrainedModel


def task_of_data(source: str) -> str:
    """The task that a file of this content is for, where no model is named."""
    from kerasnlp_kit.data.kind import looks_like_pairs

    return "seq2seq" if looks_like_pairs(source) else "classification"


def run_training(config: BaseConfig, *, resume: bool = False, say: Callable[[str], None] = print) -> "TrainedModel":
    """Trains what the options say; see `train.run_training` and `pair_train.run_pair_training`."""
    if isinstance(config, PairConfig):
        from kerasnlp_kit.api.pair_train import run_pair_training

        return run_pair_training(config, resume=resume, say=say)
    from kerasnlp_kit.api import train

    assert isinstance(config, RunConfig)
    return train.run_training(config, resume=resume, say=say)
