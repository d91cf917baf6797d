"""The ladder: from the linear model up, as far as the time allows; the best on dev is exported."""

from dataclasses import dataclass

from kerasnlp_kit.registry import register


@register("auto", task="classification", defaults={"keep_punctuation": True, "refit": True})
@dataclass(frozen=True)
class Auto:
    """The linear model at once, then networks as the time allows; it, or a mixture with it, is taken by dev."""

    rungs: tuple[str, ...] = ("ngram_linear", "cnn_classifier", "lstm_classifier", "transformer_classifier")
    """Models to try, in this order; without ngram_linear among them, a network alone may be taken."""
    minutes: float = 2.0
    """Time for the whole run, about; --resume does not count what went before."""
