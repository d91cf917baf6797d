"""Writes texts with the SavedModel of a folder."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.api.load import LoadedFolder, in_bytes
from kerasnlp_kit.api.pair_scoring import beyond_model
from kerasnlp_kit.constants import LOWEST
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.rules import drawing_rules, require

BATCH = 128
SCORED_CHARACTERS = 16_384  # of the targets in a batch, each as long as the longest
SORTED = 64 * BATCH  # texts that are read at once and sorted by length


class LoadedWriter(LoadedFolder):
    """A trained model that writes a text for a text."""

    task = "seq2seq"
    does = "writes a text for a text"

    def predict(self, sources: Iterable[str | bytes], **options: Any) -> list[str]:
        """What the model writes for each source; ``options`` as in `write`."""
        return self.write(sources, **options)[0]

    def write(
        self,
        sources: Iterable[str | bytes],
        *,
        beam: int = 1,
        length_penalty: float | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        compiled: bool = False,
    ) -> tuple[list[str], np.ndarray]:
        """Writes for each source: greedily, by beam search if ``beam`` is above 1, or drawn if a seed is given.

        Args:
            sources: texts.
            beam: outputs in sight.
            length_penalty: of the beam search; by default that of the training's options.
            seed: of what is drawn; text n gets ``seed + n``.
            temperature: by which logits are divided.
            top_k: draw among so many most probable tokens; 0: among all.
            top_p: draw among the fewest tokens that make up this probability.
            compiled: use the signatures that XLA compiles for a few shapes: seconds for the first text, then faster.

        Returns:
            Texts, and their scores, float32 (texts,): log-probabilities, with beam search divided by the penalty.

        Raises:
            UserError: what is asked for was not exported compiled, or with another beam; both a seed and a beam; a
                number out of its range.
            TypeError: a single source instead of several.
        """
        import tensorflow as tf

        require([("beam", beam, beam >= 1, "1 or more")])

        if compiled and "greedy_xla" not in self.signatures:
            raise UserError(
                f"{self.folder} holds nothing compiled: it was trained with --no-xla. Leave --compiled out."
            )
        own = self.run["parts"][0]["beam"]
        if compiled and beam not in (1, own):
            raise UserError(
                f"{self.folder} holds a compiled beam search of {own} outputs alone, as --beam of the training says. "
                f"Take --beam {own}, or leave --compiled out. Received: {beam}"
            )
        if seed is not None and (beam > 1 or compiled):
            raise UserError("With a seed tokens are drawn: neither by beam search, nor compiled. Leave one out.")
        penalty = self.run["parts"][0]["length_penalty"] if length_penalty is None else length_penalty
        penalties = {"length_penalty": tf.constant(penalty, tf.float32)}
        if seed is not None:
            require(drawing_rules(temperature, top_k, top_p))
            drawn = {"temperature": tf.constant(temperature, tf.float32), "top_k": tf.constant(top_k)}
            drawn |= {"top_p": tf.constant(top_p, tf.float32)}

            def ask(batch: Any, first: int) -> Any:
                return self.signatures["sample"](source=batch, seed=tf.constant((seed + first) % 2**31), **drawn)
        elif beam > 1:

            def ask(batch: Any, first: int) -> Any:
                if compiled:
                    return self.signatures["beam_xla"](source=batch, **penalties)
                return self.signatures["beam"](source=batch, beam_size=tf.constant(beam), **penalties)
        else:
            name = "greedy_xla" if compiled else "serving_default"

            def ask(batch: Any, first: int) -> Any:
                return self.signatures[name](source=batch)

        return self._each(sources, ask, in_order=seed is not None)

    def several(self, source: str | bytes, beam: int, length_penalty: float | None = None) -> list[tuple[str, float]]:
        """The ``beam`` best outputs for one source, each with its score, best first; fewer if it has no more.

        Raises:
            UserError: ``beam`` is below 1.
        """
        import tensorflow as tf

        require([("beam", beam, beam >= 1, "1 or more")])
        penalty = self.run["parts"][0]["length_penalty"] if length_penalty is None else length_penalty
        found = self.signatures["beam"](
            source=tf.constant(list(in_bytes([source]))),
            beam_size=tf.constant(beam),
            length_penalty=tf.constant(penalty, tf.float32),
        )
        texts = [text.decode("utf-8", "replace") for text in found["targets"].numpy()[0]]
        scored = zip(texts, found["scores"].numpy()[0].tolist(), strict=True)
        return [(text, score) for text, score in scored if score > 0.5 * LOWEST]

    def beyond(self, sources: Sequence[str], targets: Sequence[str] = ()) -> list[str]:
        """What the model cannot read of sources, and cannot write of targets, in words."""
        (part,) = self.run["parts"]
        return beyond_model(*self.files.pair_tokenizers(part), part, sources, targets)

    def score(self, sources: Sequence[str | bytes], targets: Sequence[str | bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of given targets, float32 (texts,), and how many tokens they have, int32 (texts,).

        Raises:
            ValueError: there is not one target for each source.
            TypeError: a single text instead of several.
        """
        import tensorflow as tf

        sources, targets = list(in_bytes(sources, "sources")), list(in_bytes(targets, "targets"))
        if len(sources) != len(targets):
            raise ValueError(f"Each source needs one target. Received: {len(sources)} and {len(targets)}")
        totals, tokens = np.zeros(len(sources), "float32"), np.zeros(len(sources), "int32")
        # Rows of like length together, and fewer of the long ones: a batch takes memory with its longest.
        order = np.argsort([len(target) for target in targets], kind="stable")
        begin = 0
        while begin < len(order):
            rows = order[begin : begin + BATCH]
            longest = max(1, len(targets[rows[-1]]))
            rows = rows[: max(1, SCORED_CHARACTERS // longest)]
            asked = {"source": [sources[row] for row in rows], "target": [targets[row] for row in rows]}
            found = self.signatures["score"](**{name: tf.constant(texts) for name, texts in asked.items()})
            totals[rows], tokens[rows] = found["log_probability"].numpy(), found["tokens"].numpy()
            begin += len(rows)
        return totals, tokens

    def attention(self, source: str | bytes) -> tuple[list[str], list[str], np.ndarray]:
        """Tokens of a source, tokens that are written for it, and weights float32 (target tokens, source tokens)."""
        import tensorflow as tf

        asked = tf.constant(list(in_bytes([source])))
        found = {name: values.numpy()[0] for name, values in self.signatures["attention"](asked).items()}
        names = [
            [name.decode("utf-8", "replace") for name in found[side] if name]
            for side in ("source_tokens", "target_tokens")
        ]
        return names[0], names[1], found["weights"][: len(names[1]), : len(names[0])]

    def _each(
        self, sources: Iterable[str | bytes], ask: Callable[[Any, int], Any], in_order: bool
    ) -> tuple[list[str], np.ndarray]:
        import tensorflow as tf

        texts: list[str] = []
        scores = [np.zeros(0, "float32")]
        for asked in _portions(in_bytes(sources, "sources")):
            # Rows of like length together leave less padding; what is drawn depends on the place in the batch.
            order = np.arange(len(asked)) if in_order else np.argsort([len(text) for text in asked], kind="stable")
            written = [""] * len(asked)
            totals = np.zeros(len(asked), "float32")
            for begin in range(0, len(asked), BATCH):
                rows = order[begin : begin + BATCH]
                found = ask(tf.constant([asked[row] for row in rows]), len(texts) + begin)
                best = found["target"] if "target" in found else found["targets"][:, 0]
                totals[rows] = (found["score"] if "score" in found else found["scores"][:, 0]).numpy()
                for row, text in zip(rows, best.numpy(), strict=True):
                    written[row] = text.decode("utf-8", "replace")
            texts += written
            scores.append(totals)
        return texts, np.concatenate(scores)


def _portions(texts: Iterator[bytes]) -> Iterator[list[bytes]]:
    while portion := list(itertools.islice(texts, SORTED)):
        yield portion
