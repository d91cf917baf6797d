"""Reading saved tokenizers: nothing of the file is trusted before it is checked."""

import json
from typing import Any

from kerasnlp_kit.errors import UserError

_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "num_words": (int, type(None)),
    "filters": str,
    "lower": bool,
    "split": str,
    "char_level": bool,
    "oov_token": (str, type(None)),
    "split_characters": bool,
    "keep_punctuation": bool,
}
_OURS = ("split_characters", "keep_punctuation")  # Keras does neither and does not write them
_COUNTS = ("word_counts", "word_docs", "index_docs", "word_index")


def read_config(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options and fitted state of a tokenizer saved as JSON, here or by Keras.

    Raises:
        UserError: The text is not JSON, or a value is missing, of the wrong type or at odds with another.
    """
    try:
        saved = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"A saved tokenizer must be JSON. Received: {str(text)[:40]!r} ({error})") from None
    config = saved.get("config") if isinstance(saved, dict) else None
    if not isinstance(config, dict) or saved.get("class_name") != "Tokenizer":
        raise UserError(f"A saved tokenizer must hold `class_name` 'Tokenizer' and `config`. Received: {text[:40]!r}")
    unknown = set(config) - {*_OPTIONS, *_COUNTS, "document_count", "index_word"}
    if unknown:
        raise UserError(f"A saved tokenizer holds only known fields. Received: {', '.join(sorted(unknown))}")

    options = {name: config.get(name, False if name in _OURS else None) for name in _OPTIONS}
    for name, type_ in _OPTIONS.items():
        value = options[name]
        if not isinstance(value, type_) or (name == "num_words" and isinstance(value, bool)):
            raise UserError(f"`{name}` of a saved tokenizer is of the wrong type. Received: {value!r}")

    state = {name: _counts(config, name) for name in _COUNTS}
    _check_words(**state, oov_token=options["oov_token"])
    index_docs = {int(index): count for index, count in state["index_docs"].items()}
    document_count = config.get("document_count", 0)
    if not _is_count(document_count):
        raise UserError(f"`document_count` of a saved tokenizer must be a count. Received: {document_count!r}")
    return options, {**state, "index_docs": index_docs, "document_count": document_count}


def _check_words(
    *,
    word_counts: dict[str, int],
    word_docs: dict[str, int],
    index_docs: dict[str, int],
    word_index: dict[str, int],
    oov_token: str | None,
) -> None:
    """Ids are 1, 2, 3, ..., words are such as the tokenizer yields, and no count is for an unknown word."""
    if oov_token is not None and word_index.get(oov_token, 1) != 1 and 1 not in word_index.values():
        raise UserError(
            f"The texts of a saved tokenizer hold its `oov_token`, {oov_token!r}, as a word: two things have one name. "
            "Fit it again with another `oov_token`."
        )
    if sorted(word_index.values()) != list(range(1, len(word_index) + 1)):
        received = sorted(word_index.values())[:10]
        raise UserError(f"`word_index` of a saved tokenizer must number its words from 1 on. Received: {received}")
    for word in word_index:
        if not word or any("\ud800" <= character <= "\udfff" for character in word):
            raise UserError(f"A word of a saved tokenizer must be valid Unicode and not empty. Received: {word!r}")
    if word_index and oov_token is not None and word_index.get(oov_token) != 1:
        raise UserError(f"`oov_token` must have the id 1. Received: {word_index.get(oov_token)} for {oov_token!r}")
    strangers = (set(word_docs) - set(word_counts)) | (set(word_counts) - set(word_index))
    if strangers:
        raise UserError(f"A saved tokenizer must count only words it has an id for. Received: {min(strangers)!r}")
    for index in index_docs:
        if not (index.isdecimal() and len(index) < 20):
            raise UserError(f"`index_docs` of a saved tokenizer must map ids to counts. Received: {index[:40]!r}")


def _counts(config: dict[str, Any], name: str) -> dict[str, int]:
    """A dictionary of counts, which Keras writes as JSON within JSON."""
    value = config.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise UserError(f"`{name}` of a saved tokenizer must be JSON. Received: {value[:40]!r}") from None
    if not isinstance(value, dict) or not all(map(_is_count, value.values())):
        raise UserError(f"`{name}` of a saved tokenizer must map words to counts. Received: {str(value)[:40]!r}")
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
