"""Checks of texts: those that stand twice, in one file or in two, and those that hold nothing or are damaged."""

import re
from collections.abc import Iterator

import numpy as np

from kerasnlp_kit.data.copies import Copies
from kerasnlp_kit.data.damage import CONTROL, ENTITY, KINDS, MOJIBAKE, REPLACEMENT, Damage, find_damage
from kerasnlp_kit.data.findings import MUCH, Finding, Pool, counted, rounded, severity_by_share
from kerasnlp_kit.data.near_duplicates import plain_text

# Scripts without blanks between words, where each character is a word.
_OWN_WORD = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = f"[{_OWN_WORD}]|[^\\s{_OWN_WORD}]+"
_WORD = re.compile(WORD)


def leaks(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Rows whose text, or nearly that text, stands in an earlier file."""
    rows = np.flatnonzero(copies.leaks >= 0)
    if len(rows):
        yield Finding(
            "leaks",
            severity_by_share(pool, rows),
            len(rows),
            f"{counted(len(rows), 'row has a text', 'rows have texts')} of an earlier file: {pool.by_file(rows)}",
            "A model can know these texts by heart, so scores on them flatter it. Remove the rows from the later file, "
            "or split anew with equal texts on one side.",
            pool.table(rows, copies.leaks[rows]),
        )
    rows = np.flatnonzero(copies.near_leaks >= 0)
    if len(rows):
        yield Finding(
            "near_leaks",
            severity_by_share(pool, rows),
            len(rows),
            f"{counted(len(rows), 'row has nearly a text', 'rows have nearly the texts')} of an earlier file: "
            f"{pool.by_file(rows)}",
            "They differ from it in case, blanks, punctuation or digits alone, or in a few letters: they flatter "
            "scores almost as equal texts do. Look at them, and remove from the later file what is not new.",
            pool.table(rows, copies.near_leaks[rows], similarity=rounded(copies.near_leak_similarity[rows])),
        )


def repeats(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Rows whose text, or nearly that text, stands in another row of the same file."""
    rows = np.flatnonzero(copies.repeats >= 0)
    if len(rows):
        yield Finding(
            "repeats",
            "warning" if pool.greatest_share(rows) >= MUCH else "note",
            len(rows),
            f"{counted(len(rows), 'row repeats a text', 'rows repeat texts')} of the same file: {pool.by_file(rows)}",
            "In a training file a repeated text weighs more than others; in a test file it counts several times. "
            "Remove the repeats, unless such texts are as frequent where the model will work.",
            pool.table(rows, copies.repeats[rows]),
        )
    rows = np.flatnonzero(copies.near_repeats >= 0)
    if len(rows):
        yield Finding(
            "near_repeats",
            "note",
            len(rows),
            f"{counted(len(rows), 'row has', 'rows have')} a nearly equal text in the same file: {pool.by_file(rows)}",
            "They differ in case, blanks, punctuation or digits alone, or in a few letters. Templates and edited "
            "copies look like this: keep them on one side of any split.",
            pool.table(rows, copies.near_repeats[rows], similarity=rounded(copies.near_repeat_similarity[rows])),
        )


_DAMAGE = {
    MOJIBAKE: (
        "characters that a wrong encoding has torn apart, as in â€™ for ’",
        "Words fall into pieces that the same word elsewhere lacks. The text was UTF-8 and was read as Windows-1252 or "
        "Latin-1: write the file anew as UTF-8, or take the repaired text.",
    ),
    REPLACEMENT: (
        "U+FFFD, which stands for characters that were lost",
        "What stood there cannot be told from the file. Take the texts from their source again, in the right encoding.",
    ),
    CONTROL: (
        "control characters of U+0080 to U+009F",
        "They were apostrophes, quotation marks and the like in Windows-1252, read as Latin-1. Words with them are not "
        "those without: write the file anew, or take the repaired text.",
    ),
    ENTITY: (
        "HTML entities, as in &amp; for &",
        "Their letters look like words. Take the repaired text, unless the model will get texts with entities, too.",
    ),
}


def damaged_texts(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Texts that a wrong encoding or a web page has damaged, by kind."""
    found: dict[int, Damage] = {}
    for row, text in enumerate(pool.texts):
        if damage := find_damage(text):
            found[row] = damage
    for kind in KINDS:
        rows = np.array([row for row, damage in found.items() if kind in damage.kinds], np.int64)
        if not len(rows):
            continue
        what, advice = _DAMAGE[kind]
        repaired = [found[row].repaired for row in rows.tolist()]
        texts = pool.texts.take(rows)
        yield Finding(
            kind,
            "note" if kind == ENTITY else "warning",
            len(rows),
            f"{counted(len(rows), 'text holds', 'texts hold')} {what}: {pool.by_file(rows)}",
            advice,
            pool.table(rows, repaired=[new if new != old else None for new, old in zip(repaired, texts, strict=True)]),
        )


def texts_without_words(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Texts that are empty, and those without a letter or a digit."""
    rows = np.flatnonzero(copies.blank)
    if len(rows):
        yield Finding(
            "empty_texts",
            "warning",
            len(rows),
            f"{counted(len(rows), 'text is', 'texts are')} empty: {pool.by_file(rows)}",
            "There is nothing in them to learn the label from. Remove the rows, or look where their texts went.",
            pool.table(rows),
        )
    wordless = (not any(map(str.isalnum, text)) for text in pool.texts)
    rows = np.flatnonzero(np.fromiter(wordless, bool, len(pool)) & ~copies.blank)
    if len(rows):
        yield Finding(
            "no_words",
            "note",
            len(rows),
            f"{counted(len(rows), 'text has', 'texts have')} neither a letter nor a digit: {pool.by_file(rows)}",
            "A tokenizer that leaves punctuation out makes empty texts of them. Keep them only where marks or emoji "
            "tell the class.",
            pool.table(rows),
        )


def unknown_words(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Texts of later files that share no word with the training file."""
    if len(pool.examples) < 2:
        return
    known: set[str] = set()
    for text in pool.examples[0].texts:
        known.update(_WORD.findall(plain_text(text)))
    strange = []
    start = int(pool.sizes[0])
    for row, text in enumerate(pool.texts[start:], start):
        # Numbers and marks alone are no words.
        words = {word for word in _WORD.findall(plain_text(text)) if any(map(str.isalpha, word))}
        if words and words.isdisjoint(known):
            strange.append(row)
    rows = np.array(strange, np.int64)
    if len(rows):
        yield Finding(
            "unknown_words",
            "warning" if pool.greatest_share(rows) >= MUCH else "note",
            len(rows),
            f"{counted(len(rows), 'text has', 'texts have')} no word that occurs in {pool.names[0]}: "
            f"{pool.by_file(rows)}",
            "A model of words can only guess their class. Another language, another subject or a damaged text may be "
            "behind it.",
            pool.table(rows),
        )
