"""Subwords: a SentencePiece model, trained by ``sentencepiece``, run and undone in the graph by TensorFlow Text."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.operations import load_subword_operations
from kerasnlp_kit.text.pieces import UNKNOWN, ReversibleTokenizer, clean, portions

LONGEST_FITTED = 10_000  # characters of a text that the model is trained on: a megabyte without a blank takes minutes
LONGEST_DRAWN = 1000  # bytes of a word that is put together in other ways than the most probable one
LONGEST_SENTENCE = 4 * LONGEST_FITTED + 1  # bytes; what is longer would not be counted
_AS_IT_IS = {"add_bos": False, "add_eos": False, "reverse": False}


class SubwordTokenizer(ReversibleTokenizer):
    """Texts to ids and back, by the unigram model of Kudo 2018, "Subword Regularization".

    The model leaves characters as they are (no NFKC): what comes out is what went in, but for blanks in a row and at
    the ends, and for U+2581, SentencePiece's own sign for a blank, which becomes one.

    Args:
        model: the SentencePiece model, a serialized protobuf with ids 0 to 3 as in `constants`.
    """

    kind = "subwords"
    library = "tensorflow_text"
    file_ending = ".model"

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model)
        except (RuntimeError, OSError) as error:
            raise UserError(f"A saved tokenizer must be a SentencePiece model: {error}") from None
        ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if ids != (PAD, UNK, BOS, EOS):
            raise UserError(f"The SentencePiece model must have pad, unk, bos, eos as 0, 1, 2, 3. Received: {ids}")
        self.model = model
        self._processor = processor
        self.vocabulary_size = processor.vocab_size()
        self.pieces = tuple(processor.id_to_piece(number) for number in range(self.vocabulary_size))

    @classmethod
    def fit(cls, texts: Iterable[str], size: int, seed: int = 0) -> "SubwordTokenizer":
        """Trains the model.

        Args:
            texts: any iterable, read once.
            size: of the vocabulary; less where the texts do not hold as many pieces.
            seed: of what SentencePiece draws.

        Raises:
            UserError: the texts hold more different characters than the vocabulary has room for, or nothing at all.
        """
        import sentencepiece

        sentencepiece.set_random_generator_seed(seed)
        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_as_encoded(texts),
                model_writer=written,
                vocab_size=size,
                hard_vocab_limit=False,
                model_type="unigram",
                character_coverage=1.0,
                normalization_rule_name="identity",
                max_sentence_length=LONGEST_SENTENCE,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                unk_surface=UNKNOWN,
                num_threads=1,  # several would round the counts otherwise each time
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            reason = str(error).rpartition("] ")[2]
            raise UserError(
                f"No subwords can be found with a vocabulary of {size}: {reason}; give another --vocabulary, or "
                "take characters (--source-tokenizer and --target-tokenizer; of texts alone --tokenizer)."
            ) from None
        return cls(written.getvalue())

    def segmentations(self, word: bytes, most: int) -> tuple[list[list[int]], np.ndarray]:
        """The most probable ways to put a word together, the best one first, and their log-probabilities.

        Args:
            word: UTF-8, without blanks; of a longer one than `LONGEST_DRAWN` bytes only the best way is given.
            most: ways to give.
        """
        ways = self._processor.nbest_encode(word, nbest_size=most if len(word) <= LONGEST_DRAWN else 1, out_type=int)
        # An unknown character has no probability, but all ways have the same of them.
        scores = [sum(self._processor.get_score(piece) for piece in way if piece != UNK) for way in ways]
        return ways, np.array(scores)

    def _make_graph(self) -> "SubwordGraph":
        return SubwordGraph(self.model, self.pieces)

    def save(self) -> bytes:
        """What `load` takes."""
        return self.model

    @classmethod
    def load(cls, saved: bytes) -> "SubwordTokenizer":
        """The tokenizer that `save` wrote."""
        return cls(saved)


def _as_encoded(texts: Iterable[str]) -> Iterator[str]:
    """The beginnings of texts, cleaned as `SubwordGraph.encode` does it: no piece is learnt that it never meets."""
    for portion in portions(texts):
        for text in clean(tf.constant(portion)).numpy():
            yield text.decode()[:LONGEST_FITTED]


class SubwordGraph(tf.Module):
    """A `SubwordTokenizer` in graph operations, two of which are TensorFlow Text's.

    Args:
        model: the SentencePiece model.
        pieces: by id.
    """

    def __init__(self, model: bytes, pieces: Sequence[str]) -> None:
        super().__init__(name="subwords")
        # Not by the package's own classes: it would import Keras, which a command that only asks a model does without.
        self._operations = load_subword_operations()
        self._model = _NamedModel(model)
        self._shown = tf.constant([piece.encode() for piece in pieces], tf.string)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids without begin and end: string (batch,) to int32 (batch, None)."""
        ids, splits = self._operations.sentencepiece_tokenize_op(
            self._model.resource_handle, clean(texts), 0, 1.0, **_AS_IT_IS, out_type=tf.int32
        )
        return tf.RaggedTensor.from_row_splits(ids, splits, validate=False)

    def decode(self, ids: tf.RaggedTensor, unknown: tf.RaggedTensor | None = None) -> tf.Tensor:
        """Texts: int32 (batch, None) to string (batch,); subwords have no unknown pieces to replace."""
        texts = self._operations.sentencepiece_detokenize_op(
            self._model.resource_handle, ids.flat_values, ids.row_splits, **_AS_IT_IS
        )
        return tf.strings.strip(texts)

    def name(self, ids: tf.Tensor) -> tf.Tensor:
        """How ids are shown: int32 to string, any shape."""
        return tf.gather(self._shown, ids)


class _NamedModel(tf.saved_model.experimental.TrackableResource):
    """A SentencePiece model in TensorFlow's memory under a name of its own.

    TensorFlow Text gives it none, and what has no name ends with the cached kernel that made it: whenever a seed is
    set, which empties the cache, also under a SavedModel that is loaded.

    Args:
        model: a serialized protobuf.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__()
        self._model = model
        self._digest = hashlib.sha256(model).hexdigest()
        _ = self.resource_handle  # made here, and not within the first function that asks for it

    def _create_resource(self) -> tf.Tensor:
        operations = load_subword_operations()
        return operations.sentencepiece_op(model=self._model, shared_name=f"sentencepiece_{self._digest}")
