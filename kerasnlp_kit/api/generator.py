"""Continues and scores texts with the SavedModel of a folder."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.api.load import LoadedFolder, in_bytes
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.rules import drawing_rules, require

BATCH = 64
DEFAULT_TOKENS = 100
SAMPLE_TOKENS = 200  # of a text that is drawn to be judged


class LoadedGenerator(LoadedFolder):
    """A trained language model."""

    task = "language_model"
    does = "continues texts"
    call = 'model.signatures["greedy"](prompt=tf.constant(["your text"]), max_tokens=tf.constant(50))'

    def generate(
        self,
        prompts: Iterable[str | bytes] = ("",),
        *,
        count: int = 1,
        max_tokens: int = DEFAULT_TOKENS,
        seed: int | None = 0,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> list[str]:
        """How prompts go on; an empty one is a text from its begin.

        Args:
            prompts: texts.
            count: texts for each prompt, one after the other.
            max_tokens: that are added at most.
            seed: of what is drawn: text n, counted over all, gets ``seed + n``. None: the most probable token each
                time, so that all texts of a prompt are the same.
            temperature: by which logits are divided.
            top_k: draw among so many most probable tokens; 0: among all.
            top_p: draw among the fewest tokens that make up this probability.

        Returns:
            Texts, prompts and what follows: ``count`` for each prompt.

        Raises:
            TypeError: a single prompt instead of several.
            UserError: a number by which is drawn is out of its range.
        """
        import tensorflow as tf

        asked = [prompt for prompt in in_bytes(prompts, "prompts") for _ in range(count)]
        if seed is None:
            return _written(self.signatures["greedy"], asked, lambda _: {"max_tokens": tf.constant(max_tokens)})
        signatures = self.signatures
        return sample_with(signatures, asked, max_tokens, seed, temperature=temperature, top_k=top_k, top_p=top_p)

    def score(self, texts: Sequence[str | bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities, float32 (texts,), and how many tokens texts have, int32 (texts,); the ends included.

        Raises:
            TypeError: a single text instead of several.
        """
        import tensorflow as tf

        asked = list(in_bytes(texts))
        order = np.argsort([len(text) for text in asked], kind="stable")
        totals, tokens = np.zeros(len(asked), "float32"), np.zeros(len(asked), "int32")
        for begin in range(0, len(asked), BATCH):
            rows = order[begin : begin + BATCH]
            found = self.signatures["score"](text=tf.constant([asked[row] for row in rows]))
            totals[rows], tokens[rows] = found["log_probability"].numpy(), found["tokens"].numpy()
        return totals, tokens


def signatures_of(files: ModelFolder) -> Any:
    """Signatures of the newest SavedModel of a folder, which need not be finished."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(files.saved_model()))
    signatures = loaded.signatures
    signatures.kept_alive_by = loaded
    return signatures


def sample_with(
    signatures: Any,
    prompts: Sequence[bytes],
    max_tokens: int,
    seed: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> list[str]:
    """Draws how prompts go on; see `LoadedGenerator.generate`."""
    import tensorflow as tf

    require(drawing_rules(temperature, top_k, top_p))
    drawn = {"temperature": tf.constant(temperature, tf.float32), "top_k": tf.constant(top_k)}
    drawn |= {"top_p": tf.constant(top_p, tf.float32), "max_tokens": tf.constant(max_tokens)}
    return _written(
        signatures["serving_default"], prompts, lambda first: {"seed": tf.constant((seed + first) % 2**31), **drawn}
    )


def _written(signature: Any, prompts: Sequence[bytes], inputs: Callable[[int], dict[str, Any]]) -> list[str]:
    import tensorflow as tf

    written: list[str] = []
    for begin in range(0, len(prompts), BATCH):
        found = signature(prompt=tf.constant(prompts[begin : begin + BATCH]), **inputs(begin))
        written += [text.decode("utf-8", "replace") for text in found["text"].numpy()]
    return written
