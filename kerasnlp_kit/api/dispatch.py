"""Which task a run is of. Imports nothing heavy: `--help` comes through here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kerasnlp_kit.config import DEFAULT_MODELS, BaseConfig, PairConfig, RunConfig, TextConfig

if TYPE_CHECKING:
    from kerasnlp_kit.api.run import TrainedModel


def model_for_data(source: str) -> str:
    """The model that a file of this content is for, where none is named.

    Short texts are written character by character, which a recurrent network learns from few pairs.
    """
    from kerasnlp_kit.api.tokenization import kind_of
    from kerasnlp_kit.data.kind import only_texts, pair_head
    from kerasnlp_kit.data.plain_text import is_plain_text

    if is_plain_text(source) or only_texts(source):
        return DEFAULT_MODELS["texts alone"]
    head = pair_head(source)
    if head is None:
        return DEFAULT_MODELS["labelled texts"]
    sentences = any(kind_of(texts)[0] == "subwords" for texts in head)
    return DEFAULT_MODELS["pairs of sentences" if sentences else "pairs of short texts"]


def run_training(
    config: BaseConfig, *, resume: bool = False, say: Callable[[str], None] = print, temporary: bool = False
) -> "TrainedModel":
    """Trains what the options say; see `train.run_training` and `pair_train.run_pair_training`."""
    if isinstance(config, PairConfig):
        from kerasnlp_kit.api.pair_train import run_pair_training

        return run_pair_training(config, resume=resume, say=say, temporary=temporary)
    if isinstance(config, TextConfig):
        from kerasnlp_kit.api.text_train import run_text_training

        return run_text_training(config, resume=resume, say=say, temporary=temporary)
    from kerasnlp_kit.api import train

    assert isinstance(config, RunConfig)
    return train.run_training(config, resume=resume, say=say, temporary=temporary)
