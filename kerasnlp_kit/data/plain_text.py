"""Texts alone: the columns of a table, or the paragraphs of a plain text."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from kerasnlp_kit.data.columns import Columns
from kerasnlp_kit.data.examples import Examples, read_examples
from kerasnlp_kit.data.labels import class_notes
from kerasnlp_kit.data.lines import Lines
from kerasnlp_kit.data.source import Source, is_local_file, open_source, suffix_of
from kerasnlp_kit.data.texts import Texts, is_blank
from kerasnlp_kit.errors import UserError

PLAIN_SUFFIXES = {".txt", ".text", ".md"}
MOST_LABELS = 100  # more name no classes
PARAGRAPH = "paragraph"  # what the only column of a plain text is called
_HARD_BREAKS = 2.0  # lines in a paragraph, the mean: from here on blank lines part the texts, and not each line end
_NOTHING = re.compile(r"\s*\Z")


def is_plain_text(source: str | os.PathLike[str], text_columns: str | Sequence[str] = ()) -> bool:
    """Whether a file is read as a plain text: by the ending of its name, if no column is asked for.

    A local one whose lines all have as many tabs is none, but a table.
    """
    return not text_columns and suffix_of(os.fspath(source)) in PLAIN_SUFFIXES and not _has_columns(source)


def read_texts(
    source: str | os.PathLike[str],
    text_columns: str | Sequence[str] = (),
    *,
    text_separator: str = " ",
    preferred: Columns | None = None,
) -> Examples:
    """Reads texts that need no label; those that have one by its name keep it.

    Of a plain text each line is a text, or, where blank lines stand between blocks of several lines, each block, its
    lines joined by a blank. Blank texts are dropped and noted.

    Args:
        source: A path, a URL or "-"; see `read_table`; for what is a plain text see `is_plain_text`.
        text_columns: The columns to join; found if not given.
        text_separator: What stands between joined columns.
        preferred: The columns of the training run, if there was one.

    Raises:
        UserError: the source cannot be read, a column is missing, or no text is left.
    """
    if is_plain_text(source, text_columns):
        return _read_paragraphs(source)
    if preferred is not None and preferred.text == (PARAGRAPH,):
        preferred = None  # learnt from a plain text; the columns of this table are found anew
    found = read_examples(source, text_columns, need_label=False, text_separator=text_separator, preferred=preferred)
    found = _with_few_labels(found)
    blank = is_blank(found.texts.array)
    if blank.all():
        raise UserError(
            f"{found.source}: all texts are empty ({found.columns.reason}). Name the column with texts, e.g. "
            "--text-column."
        )
    if not blank.any():
        return found
    note = f"{found.source}: {int(blank.sum()):,} rows without a text are left out."
    return replace(found.take(np.flatnonzero(~blank)), notes=(*found.notes, note))


def _has_columns(source: str | os.PathLike[str]) -> bool:
    if not is_local_file(source):
        return False
    try:
        with open_source(source) as opened, opened.open() as stream:
            lines, complete = Lines(stream, opened.name).sample()
    except UserError:
        return False  # the reader proper says why
    whole = lines if complete else lines[:-1]
    # An indented line of prose begins with one.
    tabs = {line.lstrip().rstrip("\r\n").count("\t") for line in whole if line.strip()}
    return len(whole) > 1 and len(tabs) == 1 and tabs != {0}


def _with_few_labels(found: Examples) -> Examples:
    """The same without labels, and without what was said of them, where they hardly name classes."""
    if found.labels is None:
        return found
    said = class_notes(found.labels, found.label_names, found.source)
    notes = tuple(note for note in found.notes if note not in said)
    if len(found.label_names) <= min(MOST_LABELS, len(found) / 2):
        return replace(found, notes=notes)
    reason = found.columns.reason.partition(", label column")[0]
    notes = tuple(
        note.replace(f"{found.source}: {found.columns.reason}.", f"{found.source}: {reason}.") for note in notes
    )
    columns = Columns(found.columns.text, None, reason, found.columns.guessed)
    return replace(found, labels=None, label_names=(), columns=columns, notes=notes)


def _read_paragraphs(source: str | os.PathLike[str]) -> Examples:
    with open_source(source) as opened:
        texts, rows, reason = _paragraphs(opened)
        if not texts:
            raise UserError(f"{opened.name}: holds nothing but blanks. Expected one text a line, or paragraphs.")
        description = "plain text" + (f", {opened.compression}" if opened.compression else "")
        return Examples(
            Texts(pa.chunked_array([pa.array(texts, pa.large_string())])),
            None,
            (),
            np.array(rows, np.int64),
            Columns((PARAGRAPH,), None, reason),
            opened.name,
            description,
            opened.fingerprint(),
        )


def _paragraphs(source: Source) -> tuple[list[str], list[int], str]:
    """Texts, the line each begins at, and how they were told apart."""
    with source.open() as stream:
        blocks = list(_blocks(Lines(stream, source.name)))
    lines = sum(len(block) for _, block in blocks)
    if len(blocks) > 1 and lines >= _HARD_BREAKS * len(blocks):
        return [" ".join(block) for _, block in blocks], [first for first, _ in blocks], "blocks between blank lines"
    texts = [line for _, block in blocks for line in block]
    return texts, [first + place for first, block in blocks for place in range(len(block))], "each line is a text"


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and stripped lines, of what stands between blank lines."""
    begin = 0
    block: list[str] = []
    for number, line in enumerate(lines, 1):
        if _NOTHING.match(line):
            if block:
                yield begin, block
            block = []
            continue
        if not block:
            begin = number
        block.append(line.strip())
    if block:
        yield begin, block
