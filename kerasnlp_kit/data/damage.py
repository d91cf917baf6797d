"""Finds texts that a wrong encoding or a web page has damaged, and repairs what can be repaired."""

import html
import re
import unicodedata
from dataclasses import dataclass
from html.entities import html5

MOJIBAKE = "mojibake"
CONTROL = "control_characters"
REPLACEMENT = "replacement_characters"
ENTITY = "html_entities"
KINDS = (MOJIBAKE, REPLACEMENT, CONTROL, ENTITY)

_ROUNDS = 3  # a text that went wrong twice takes two
# What a byte of 0x80 to 0xBF was shown as: by Latin-1, and by Windows-1252 where that has a character of its own.
_BYTE_OF = {chr(byte): byte for byte in range(0x80, 0xF5)} | {
    bytes([byte]).decode("cp1252"): byte for byte in range(0x80, 0xA0) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_SECOND = "".join(character for character, byte in _BYTE_OF.items() if byte < 0xC0)
_SEQUENCE = re.compile(f"[Â-ß][{_SECOND}]|[à-ï][{_SECOND}]{{2}}|[ð-ô][{_SECOND}]{{3}}")
# What may follow a letter with an accent in an honest text, as in "CAFÉ”" or "né…»".
_USUAL_AFTER_LETTER = set("‘’‚“”„‹›«»–—…•™®©ªº°²³¹·§¡¿\u00a0")
_CONTROL = re.compile("[\u0080-\u009f]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


@dataclass(frozen=True)
class Damage:
    """What is wrong with a text.

    Attributes:
        kinds: Of `KINDS`, those that were found.
        repaired: The text as it was meant, as far as can be told; the text itself where nothing could be repaired.
    """

    kinds: tuple[str, ...]
    repaired: str


def find_damage(text: str) -> Damage | None:
    """Finds damage in a text; None for a sound one.

    - mojibake: UTF-8 that was read as Latin-1 or Windows-1252, such as ``Ã©`` for ``é`` and ``â€™`` for ``’``. Repaired
      by going back to the bytes. Pairs that honest texts have too, such as ``É”``, count only beside clear ones.
    - control characters U+0080 to U+009F: Windows-1252 that was read as Latin-1. Repaired likewise.
    - U+FFFD, which stands for bytes that could not be read: lost.
    - HTML entities such as ``&amp;``. Repaired.
    """
    if text.isascii() and "&" not in text:
        return None
    kinds = set()
    repaired = text
    for _ in range(_ROUNDS):
        before = repaired
        for kind, repair in ((MOJIBAKE, _without_mojibake), (CONTROL, _without_controls), (ENTITY, _without_entities)):
            after = repair(repaired)
            if after != repaired:
                kinds.add(kind)
            repaired = after
        if repaired == before:
            break
    if _CONTROL.search(repaired):  # five of them mean nothing in Windows-1252 either
        kinds.add(CONTROL)
    if "\ufffd" in text:
        kinds.add(REPLACEMENT)
    return Damage(tuple(kind for kind in KINDS if kind in kinds), repaired) if kinds else None


def _without_mojibake(text: str) -> str:
    if not any(map(_is_clear, _SEQUENCE.finditer(text))):
        return text
    return _SEQUENCE.sub(lambda found: _decoded(found[0]) or found[0], text)


def _is_clear(found: re.Match[str]) -> bool:
    """Whether a sequence can hardly be meant as it stands."""
    lead, rest = found[0][0], found[0][1:]
    if _decoded(found[0]) is None:
        return False
    if not set(rest) <= _USUAL_AFTER_LETTER:
        return True
    # "Ã©" and "Â»" are by far the commonest; only a capital may end a word in all capitals: "AMANHÃ”".
    previous = found.string[found.start() - 1 : found.start()]
    return lead in "ÂÃ" and not previous.isupper()


def _decoded(sequence: str) -> str | None:
    """The one character whose bytes a sequence shows; None if there is none that texts have."""
    try:
        character = bytes(_BYTE_OF[one] for one in sequence).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if unicodedata.category(character) in ("Cn", "Co") else character


def _without_controls(text: str) -> str:
    # Windows-1252 leaves five bytes without a character; they stay.
    return _CONTROL.sub(lambda found: found[0].encode("latin-1").decode("cp1252", "ignore") or found[0], text)


def _without_entities(text: str) -> str:
    if "&" not in text:
        return text
    return _ENTITY.sub(lambda found: html.unescape(found[0]) if _is_entity(found[0]) else found[0], text)


def _is_entity(found: str) -> bool:
    return found[1] == "#" or found[1:] in html5
