import pytest

from kerasnlp_kit.data.damage import CONTROL, ENTITY, MOJIBAKE, REPLACEMENT, find_damage

SOUND = [
    "",
    "plain words & signs",
    "café, naïve, Größe, ÅÄÖ, ß",
    "CAFÉ”",
    "“AMANHÔ — “IRMÃ”",
    "NÃO É",
    "il est né…» dit-il",
    "Spaß“ und Fuß»",
    "à « Paris »",
    "à\u00a0« Paris\u00a0»",
    "價格 很好，非常好！",
    "Привет, мир",
    "日本語のテキスト",
    "สวัสดี",
    "good 🙂👍",
    "AT&T; R&D;",
    "¿Qué? ¡Olé!",
    "Â",
    "Ärger",
]


@pytest.mark.parametrize("text", SOUND)
def test_sound_texts_are_left_alone(text):
    assert find_damage(text) is None


@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
@pytest.mark.parametrize(
    "text",
    [
        "café",
        "naïve Größe",
        "it’s “quoted” – and more…",
        "5 £ and 7 €",
        "Привет, мир",
        "你好，世界",
        "こんにちは",
        "สวัสดี",
        "good 🙂",
        "Łódź",
        "a\u00a0b",
    ],
)
def test_utf8_that_was_read_in_another_encoding_is_repaired(text, codec):
    # Python's cp1252 lacks five bytes, which other programs show as control characters.
    shown = "".join(
        bytes([byte]).decode("latin-1" if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else codec)
        for byte in text.encode("utf-8")
    )
    damage = find_damage(shown)
    assert damage.repaired == text
    assert damage.kinds == (MOJIBAKE,)


def test_what_went_wrong_twice_is_repaired_twice():
    once = "café".encode().decode("cp1252")
    assert find_damage(once.encode().decode("cp1252")).repaired == "café"


def test_only_the_damaged_part_of_a_text_changes():
    assert find_damage("déjà été et Ã©tÃ©").repaired == "déjà été et été"


def test_control_characters_become_what_windows_meant():
    damage = find_damage("don\x92t \x93go\x94 \x85")
    assert (damage.kinds, damage.repaired) == ((CONTROL,), "don’t “go” …")
    # 0x81 means nothing in Windows-1252 either.
    damage = find_damage("a\x81b")
    assert (damage.kinds, damage.repaired) == ((CONTROL,), "a\x81b")


def test_lost_characters_are_told_though_they_cannot_be_repaired():
    damage = find_damage("caf\ufffd")
    assert (damage.kinds, damage.repaired) == ((REPLACEMENT,), "caf\ufffd")


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("&lt;b&gt; &#39;x&#x27; &nbsp;", "<b> 'x' \u00a0"),
        ("&amp;lt;", "<"),
        ("&#20013;&#25991;", "中文"),
    ],
)
def test_html_entities_are_written_out(text, repaired):
    damage = find_damage(text)
    assert (damage.kinds, damage.repaired) == ((ENTITY,), repaired)


@pytest.mark.parametrize("text", ["&unknown;", "a &b; c", "x&y", "&;", "&#;", "fish &chips"])
def test_what_is_no_entity_stays(text):
    assert find_damage(text) is None


def test_several_kinds_are_all_told():
    damage = find_damage("cafÃ© &amp; th\x92 \ufffd")
    assert damage.kinds == (MOJIBAKE, REPLACEMENT, CONTROL, ENTITY)
    assert damage.repaired == "café & th’ \ufffd"
