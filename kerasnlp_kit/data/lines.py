"""The lines of a text file, decoded strictly, so that a wrong encoding is named and not smeared over."""

import codecs
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from kerasnlp_kit.errors import UserError

SAMPLE_LINES = 1000
SAMPLE_BYTES = 1 << 16
_WITH_NUL = "This is not text, or it is UTF-16 without byte-order mark. Try `iconv -f UTF-16LE -t UTF-8`."
_OF_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # control characters that no text has


@dataclass(frozen=True)
class Encoding:
    """How bytes become text: the codec, the length of the byte-order mark, and what to call it aloud."""

    codec: str
    mark: int
    description: str


def find_encoding(head: bytes) -> Encoding:
    """Tells the encoding by the byte-order mark; UTF-8 without one."""
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", 3, "UTF-8 with byte-order mark")
    if head.startswith(codecs.BOM_UTF16_LE):
        return Encoding("utf-16-le", 2, "UTF-16 with byte-order mark")
    if head.startswith(codecs.BOM_UTF16_BE):
        return Encoding("utf-16-be", 2, "UTF-16 with byte-order mark")
    return Encoding("utf-8", 0, "UTF-8")


class Lines:
    """Iterates once over the decoded lines of a stream, line ends kept.

    Attributes:
        encoding: How the stream is decoded.
        characters: How many characters have been handed out so far.
    """

    def __init__(self, stream: BinaryIO, name: str):
        head = stream.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]  # type: ignore[attr-defined]
        self.encoding = find_encoding(head)
        self.characters = 0
        self._stream = stream
        self._name = name
        # The fast way splits the bytes at line feeds. Not so UTF-16, nor files that end lines with a carriage return.
        self._fast = self.encoding.codec == "utf-8" and (b"\n" in head or b"\r" not in head)

    def __iter__(self) -> Iterator[str]:
        self._stream.read(self.encoding.mark)
        number = 0
        for number, line in enumerate(self._utf8_lines() if self._fast else self._other_lines(), start=1):
            if "\0" in line:
                raise UserError(f"{self._name}: line {number} holds a NUL byte. {_WITH_NUL}")
            self.characters += len(line)
            yield line

    def sample(self) -> tuple[list[str], bool]:
        """Returns the first lines (about 1,000 or 64 KB) and whether the text ends with them."""
        lines = []
        for line in self:
            lines.append(line)
            if len(lines) >= SAMPLE_LINES or self.characters >= SAMPLE_BYTES:
                return lines, False
        return lines, True

    def _utf8_lines(self) -> Iterator[str]:
        for number, raw in enumerate(self._stream, start=1):
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{self._name}: line {number} is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} "
                    f"of the line. {_advice(raw)}"
                ) from error
            yield line

    def _other_lines(self) -> Iterator[str]:
        number = 0
        wrapper = io.TextIOWrapper(self._stream, encoding=self.encoding.codec, newline="")
        try:
            for number, line in enumerate(wrapper, start=1):  # noqa: B007 (the error below names it)
                yield line
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self._name}: not {self.encoding.description} shortly after line {number}: byte "
                f"0x{error.object[error.start]:02x}. Save the file as UTF-8."
            ) from error
        finally:
            if not self._stream.closed:
                wrapper.detach()  # whoever opened the stream closes it


def _advice(raw: bytes) -> str:
    """What to do about a line that is not UTF-8."""
    if _OF_NO_TEXT.search(raw):
        return _WITH_NUL if b"\0" in raw else "This is not text."
    return f"Save the file as UTF-8, e.g. `iconv -f {_likely_encoding(raw)} -t UTF-8`."


def _likely_encoding(raw: bytes) -> str:
    """Chinese encodings have their high bytes in pairs, Western ones have them alone."""
    high = [byte >= 0x80 for byte in raw]
    paired = sum(1 for left, right in itertools.pairwise(high) if left and right)
    return "GB18030" if paired * 2 > sum(high) else "WINDOWS-1252"
