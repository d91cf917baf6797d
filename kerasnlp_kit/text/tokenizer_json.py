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
    unknown = set(config) - set(_OPTIONS) - {
        "document_count", "word_counts", "word_docs", "index_docs", "word_index", "index_word",
    }  # fmt: skip
    if unknown:
        raise UserError(f"A saved tokenizer holds only known fields. Received: {', '.join(sorted(unknown))}")

    options = {name: config.get(name, False if name in _OURS else None) for name in _OPTIONS}
    for name, type_ in _OPTIONS.items():
        value = options[name]
        if not isinstance(value, type_) or (name == "num_words" and isinstance(value, bool)):
            raise UserError(f"`{name}` of a saved tokenizer is of the wrong type. Received: {value!r}")

    word_index = _counts(config, "word_index")
    if sorted(word_index.values()) != list(range(1, len(word_index) + 1)):
        raise UserError(f"`word_index` of a saved tokenizer must number its {len(word_index)} words from 1 on.")
    oov_token = options["oov_token"]
    if word_index and oov_token is not None and word_index.get(oov_token) != 1:
        raise UserError(f"`oov_token` must have the id 1. Received: {word_index.get(oov_token)} for {oov_token!r}")
    index_docs = _counts(config, "index_docs")
    if not all(index.isdecimal() for index in index_docs):
        raise UserError("`index_docs` of a saved tokenizer must map ids to counts.")
    document_count = config.get("document_count", 0)
    if not _is_count(document_count):
        raise UserError(f"`document_count` of a saved tokenizer must be a count. Received: {document_count!r}")
    state = {
        "document_count": document_count,
        "word_counts": _counts(config, "word_counts"),
        "word_docs": _counts(config, "word_docs"),
        "index_docs": {int(index): count for index, count in index_docs.items()},
        "word_index": word_index,
    }
    return options, state


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
