"""The linear model over word and character n-grams: the classic that others must beat."""

from dataclasses import dataclass
from typing import Any, Literal

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.registry import register


@register("ngram_linear", task="classification", defaults={"refit": True})
@dataclass(frozen=True)
class NgramLinear:
    """TF-IDF of word and character n-grams and a linear classifier, solved by scikit-learn: ready in seconds.

    Joachims 1998, "Text Categorization with Support Vector Machines"; Wang & Manning 2012, "Baselines and Bigrams",
    whose finding that support vector machines and naive Bayes are best together is followed.
    """

    word_ngrams: int = 2
    """Longest n-gram of words; the start of the text is a word before the first one."""
    char_ngrams: tuple[int, int] = (2, 5)
    """Shortest and longest n-gram of characters, within blanks."""
    min_texts: int = 1
    """Training texts that an n-gram must be in."""
    max_megabytes: float = 45.0
    """Size of the features; the n-grams of the most texts are kept."""
    solver: Literal["svm", "logistic"] = "svm"
    """Linear support vector machine, or logistic regression."""
    naive_bayes: bool = True
    """Join naive Bayes over the same n-grams, with weights found on dev, if that makes the dev labels more probable."""
    try_case: bool = True
    """Keep upper and lower case apart, if the texts have capitals and that makes the dev labels more probable: to naive
    Bayes, which is asked first, and then to the whole."""
    strengths: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    """Values of C, the inverse of the regularisation, tried from the middle; what makes dev most probable is taken."""

    def rules(self, lower: bool) -> Any:
        """kerasnlp_kit.text.ngrams.NgramRules; TensorFlow is not imported for --help."""
        from kerasnlp_kit.text.ngrams import NgramRules

        shortest, longest = self.char_ngrams
        if shortest > longest:
            raise UserError(f"--char-ngrams must be the shortest, then the longest. Received: {shortest} {longest}")
        return NgramRules(self.word_ngrams, self.char_ngrams, lower)
