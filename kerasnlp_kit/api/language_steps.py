"""What is particular to the training of a language model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit.api.generator import SAMPLE_TOKENS, LoadedGenerator, sample_with, signatures_of
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.api.text_documents import how_to_load_text_model
from kerasnlp_kit.api.text_preparation import TextTokens
from kerasnlp_kit.api.text_proof import ordered_texts
from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.api.tokenization import some_rows
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.errors import TrainingDiverged
from kerasnlp_kit.evaluation.language import LanguageScores
from kerasnlp_kit.export.folder import build_network
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

PROVEN_PROMPTS = 64
PROMPT_CHARACTERS = 20  # of a dev text that is continued in the proof
IDS_TEXTS = 8  # that the signature ``ids`` is asked about


class LanguageSteps:
    """Rows, measures, proof and documents of a language model.

    Args:
        run: of the training.
        tokens: of its texts.
    """

    what_it_does = "A language model: it continues texts, and tells how probable they are"
    longer_texts = "learnt in pieces"

    def __init__(self, run: Run[TextConfig], tokens: TextTokens) -> None:
        self._run = run
        self._tokens = tokens
        self._found: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def training_rows(self) -> TokenIds:
        """What is learnt from."""
        from kerasnlp_kit.text.windows import windows

        return windows(self._tokens.train, self._tokens.sizes.context, self._tokens.packed)

    def measures(self) -> Any:
        """What an epoch is measured by: the loss of the dev texts."""
        from kerasnlp_kit.api.memory_language import MemoryLanguage

        (part,) = self._run.record["parts"]
        with devices.exact():
            network = build_network(part, portable=True)
        tokens = self._tokens
        memory = MemoryLanguage(network, tokens.tokenizer, tokens.sizes.context)
        dev = some_rows(tokens.dev, self._run.config.training.seed)
        count = int((dev.lengths + 1).sum())

        def measures(values: Sequence[np.ndarray]) -> dict[str, float]:
            network.set_weights(values)
            loss = -memory.score_ids(dev).sum() / max(1, count)
            if not np.isfinite(loss):
                raise TrainingDiverged
            return {"val_loss": float(loss), "val_perplexity": float(np.exp(loss)), "val_score": float(np.exp(-loss))}

        return measures

    def export(self, parts: Mapping[str, Examples]) -> None:
        """Writes the SavedModel, proves it, and keeps what it says of the texts of each part."""
        from kerasnlp_kit.api.memory_language import MemoryLanguage
        from kerasnlp_kit.export.saved_model import export_saved_model
        from kerasnlp_kit.export.verify import HARD_TEXTS, Prover
        from kerasnlp_kit.export.verify_language import prove_language

        run, tokens, seed = self._run, self._tokens, self._run.config.training.seed
        work, (part,) = run.places.work, run.record["parts"]
        run.begin_export()
        asked = ordered_texts(parts)
        first = next(iter(parts.values())).texts[:PROVEN_PROMPTS]
        prompts = [*HARD_TEXTS, *(text[:PROMPT_CHARACTERS].encode("utf-8", "replace") for text in first)]
        with Prover() as prover:
            saved_model = export_saved_model(work, run.places.version)
            with devices.exact():
                network = work.build_network(part)
            memory = MemoryLanguage(network, tokens.tokenizer, tokens.sizes.context)
            totals, lengths = prove_language(
                prover,
                saved_model,
                asked.texts,
                prompts,
                memory.memory(asked.typical(IDS_TEXTS), seed % 2**31),
                seed=seed,
                library=part["library"],
            )
        count = f"{len(asked.texts):,}"
        run.say(f"The SavedModel expects {count} texts as the model in memory does, and continues them likewise.")
        self._found = {name: (totals[rows], lengths[rows]) for name, rows in asked.rows.items()}

    def samples(self, count: int) -> list[str]:
        """Texts that the SavedModel writes from their begin."""
        seed = self._run.config.training.seed % 2**31
        return sample_with(signatures_of(self._run.places.work), [b""] * count, SAMPLE_TOKENS, seed) if count else []

    def scores(self, scorer: TextScorer, name: str, texts: Sequence[str], samples: Sequence[str]) -> LanguageScores:
        """Of one part."""
        return scorer.score(texts, *self._found[name], samples)

    def sections(self, name: str, examples: Examples, shown: bool) -> list[str]:
        """Of the report, more than all models have: none."""
        return []

    def how_to_load(self, saved_model: Path) -> str:
        """Python that loads the model."""
        (part,) = self._run.record["parts"]
        return how_to_load_text_model(saved_model, part["library"], LoadedGenerator.call)

    def signatures(self) -> str:
        """What the model card says of them."""
        return f"""- `serving_default`: `prompt` string [n], `max_tokens` int32 [], `seed` int32 [],
  `temperature` float [], `top_k` int32 [], `top_p` float [] to `text` string [n], the prompt and what follows, and
  `score` float [n], the log-probability of both (of a prompt longer than {self._tokens.sizes.context} tokens, of its
  last ones). Text n is drawn with the seed `seed + n`: the same in every program.
- `greedy`: `prompt`, `max_tokens` to `text`, `score`, with the most probable token at each step
- `score`: `text` string [n] to `log_probability` float [n], `tokens` int32 [n], the end of the text included
- `ids`: `ids` int32 [n, t], beginning with 2, padded with 0, to `logits` float [n, t, ids], of which there are
  {self._tokens.sizes.vocabulary}"""
