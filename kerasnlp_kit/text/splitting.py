"""How a text becomes tokens: core TensorFlow ops only, the same in fitting, in training and in the export."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

DEFAULT_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
# The classic ones know of no other blanks than the tabulator and the line feed.
ALL_FILTERS = DEFAULT_FILTERS + "\r\v\f\x85\xa0\u2028\u2029"

# Scripts written without blanks between words, and their prolonged sound marks, which Unicode leaves without a script.
_OWN_TOKEN = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\x{30FC}\x{FF70}"
# A voicing, tone or variation mark belongs to the character before it.
_MARKS = r"[\p{M}\x{FF9E}\x{FF9F}]*"
# Punctuation of Chinese and Japanese, full-width forms, and the quotation marks, dash and ellipsis that Chinese shares
# with Western typography. The single quotation marks are missing: one of them is also the apostrophe.
_CJK_PUNCTUATION = (
    r"\x{3001}-\x{3003}\x{3008}-\x{3011}\x{3014}-\x{301F}\x{3030}\x{303D}\x{30A0}\x{30FB}"
    r"\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF20}\x{FF3B}-\x{FF40}\x{FF5B}-\x{FF65}"
    r"\x{2014}\x{2015}\x{201C}-\x{201F}\x{2026}"
)
_IDEOGRAPHIC_BLANK = r"\x{3000}"

# TensorFlow hands ICU a C string, so NUL would cut the text off; and ICU follows the locale of the process (LC_ALL,
# LANG), so that in Turkish "I" would become "ı". What Turkish and Lithuanian treat differently is done before ICU.
_BEFORE_LOWERING = (("İ", "i\u0307"), ("Ì", "ì"), ("Í", "í"), ("Ĩ", "ĩ"), ("Į", "į"))
_NUL_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class SplitRules:
    """What separates tokens. `Tokenizer` describes the fields."""

    filters: str = DEFAULT_FILTERS
    lower: bool = True
    split: str = " "
    char_level: bool = False
    split_characters: bool = True
    keep_punctuation: bool = False

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokens of each text.

        Args:
            texts: string (batch,), UTF-8; invalid bytes count as U+FFFD.

        Returns:
            string (batch, None); an empty text gives an empty row.
        """
        texts = self.normalize(texts)
        if self.char_level:
            return tf.strings.unicode_split(texts, "UTF-8")
        pattern, rewrite, separator = self._replacement()
        if pattern:
            # A constant pattern is compiled once, when the kernel is made.
            texts = tf.raw_ops.StaticRegexReplace(input=texts, pattern=pattern, rewrite=rewrite)
        pieces = tf.raw_ops.StringSplit(input=texts, delimiter=separator, skip_empty=True)
        rows = tf.range(tf.size(texts, tf.int64) + 1)
        row_splits = tf.searchsorted(pieces.indices[:, 0], rows, out_type=tf.int64)
        return tf.RaggedTensor.from_row_splits(pieces.values, row_splits, validate=False)

    def normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Valid UTF-8 without NUL, in lower case if `lower`; the same in every locale. Any shape."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = tf.raw_ops.StaticRegexReplace(input=texts, pattern=r"\x00", rewrite=_NUL_REPLACEMENT)
        if self.lower:
            texts = tf.strings.lower(texts)  # A to Z
            for capital, small in _BEFORE_LOWERING:
                texts = tf.raw_ops.StaticRegexReplace(input=texts, pattern=capital, rewrite=small)
            texts = tf.strings.lower(texts, encoding="utf-8")
        return texts

    def _replacement(self) -> tuple[str, bytes, bytes]:
        """One pattern for all that is not a letter, its rewrite, and the byte to split at afterwards."""
        filters = set(self.filters.replace("\0", _NUL_REPLACEMENT))
        split = self.split.replace("\0", _NUL_REPLACEMENT)
        plain = len(split) == 1 and split.isascii()
        separator = split.encode() if plain else b"\xff"  # a byte that valid UTF-8 never holds

        punctuation = set()
        if self.keep_punctuation:
            punctuation = {character for character in filters if not character.isspace()} - set(split)
        dropped = _characters(filters - punctuation)
        own = _characters(punctuation)
        if self.split_characters:
            dropped += _IDEOGRAPHIC_BLANK
            if self.keep_punctuation:
                own += _CJK_PUNCTUATION
            elif self.filters:
                dropped += _CJK_PUNCTUATION

        alternatives = [f"[{dropped}]+"] if dropped else []
        # As in Keras, filters go first: a separator that holds a filtered character is never met whole.
        if not plain and not set(split) & filters:
            alternatives.append("".join(_characters({character}) for character in split))
        tokens = [f"[{own}]"] if own else []
        if self.split_characters:
            tokens.append(f"[{_OWN_TOKEN}]{_MARKS}")
        if tokens:
            alternatives.append(f"({'|'.join(tokens)})")
        # For a dropped character the group is empty, which leaves two separators.
        literal = separator.replace(b"\\", b"\\\\")
        rewrite = literal + rb"\1" + literal if tokens else literal
        return "|".join(alternatives), rewrite, separator


@functools.lru_cache(maxsize=16)
def compiled_tokenize(rules: SplitRules) -> Callable[[tf.Tensor], tf.RaggedTensor]:
    """`rules.tokenize` as a graph that is traced once for all tokenizers with these rules."""
    return tf.function(rules.tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


@functools.lru_cache(maxsize=2)
def compiled_normalize(rules: SplitRules) -> Callable[[tf.Tensor], tf.Tensor]:
    """`rules.normalize` as a graph, for tokens that come already split."""
    return tf.function(rules.normalize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def _characters(characters: set[str]) -> str:
    """Members of an RE2 class as code points, so that none of them has a meaning of its own."""
    return "".join(f"\\x{{{ord(character):X}}}" for character in sorted(characters))
