"""The linear model over n-grams and the convolutional network, mixed so that the whole is better than both."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from kerasnlp_kit.models.cnn_classifier import STRONG, CnnClassifier
from kerasnlp_kit.models.ngram_linear import NgramLinear
from kerasnlp_kit.registry import register


@register("wide_deep_classifier", task="classification", defaults={**STRONG, "refit": True})
@dataclass(frozen=True)
class WideDeepClassifier(CnnClassifier, NgramLinear):
    """N-gram linear model and CNN, mixed with weights found on dev.

    The idea of Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems"; the parts are trained apart and
    stacked (Wolpert 1992): the solver of the linear part reaches what steps of gradient descent do not.
    """

    def parts(self) -> dict[str, Any]:
        """The two models, by name."""
        return {"ngram_linear": self._part(NgramLinear), "cnn_classifier": self._part(CnnClassifier)}

    def _part(self, architecture: type) -> Any:
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(architecture)}
        return architecture(**own)
