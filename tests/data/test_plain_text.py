import gzip

import pytest

from kerasnlp_kit.data.plain_text import is_plain_text, read_texts
from kerasnlp_kit.errors import UserError


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_lines_are_texts(tmp_path):
    found = read_texts(write(tmp_path / "a.txt", "\ufeffone two\n\n  three, four \r\n今天\n"))
    assert list(found.texts) == ["one two", "three, four", "今天"]
    assert found.rows.tolist() == [1, 3, 4]
    assert found.columns.reason == "each line is a text" and found.description == "plain text"


def test_blocks_of_lines_between_blank_lines_are_texts(tmp_path):
    found = read_texts(write(tmp_path / "a.txt", "One day\nit rained.\n\n\nThen\n the sun\ncame out.\n"))
    assert list(found.texts) == ["One day it rained.", "Then the sun came out."]
    assert found.rows.tolist() == [1, 5]


def test_a_packed_file_is_read_too(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert list(read_texts(path).texts) == ["one", "two"]
    assert is_plain_text(path) and not is_plain_text("a.csv") and not is_plain_text("a.txt", ("text",))


def test_a_column_of_a_table_is_read_without_its_blank_texts(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\none,a\n,b\n \ttwo,a\nthree,a\n")
    found = read_texts(path)
    assert [text.strip() for text in found.texts] == ["one", "two", "three"]
    assert found.gold() == ["a", "a", "a"], "few labels are kept"
    assert "1 row" in " ".join(found.notes)


def test_a_column_that_hardly_names_classes_is_no_label(tmp_path):
    path = write(tmp_path / "a.csv", "source,target\n" + "".join(f"text {row},other {row}\n" for row in range(9)))
    found = read_texts(path, ("source",))
    assert found.labels is None and found.notes == ()
    assert found.columns.reason == 'text column "source" (as asked)'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", " \n\n", "holds nothing but blanks"),
        ("a.txt", b"ab\xffc\n", "line 1 is not UTF-8"),
        ("a.txt", b"abcd\x00b\n", r"holds a NUL byte\. This is not text, or it is UTF-16 without byte-order mark"),
        (
            "a.txt",
            "Straße,x\n".encode("utf-16-be"),
            "line 1 is not UTF-8: .* This is not text, or it is UTF-16 without",
        ),
        (
            "a.txt",
            "文本,标签\n".encode("utf-16-le"),
            "line 1 is not UTF-8: .* This is not text, or it is UTF-16 without",
        ),
        ("a.txt", b"\x0a\x15saved_model\x12\xff\n", r"is not UTF-8: .* This is not text\.$"),
        ("a.txt", b"\xff\x12\x0a", r"is not UTF-8: .* This is not text\.$"),
        ("a.txt", b"Stra\xdfe\n", "iconv -f WINDOWS-1252"),
        ("a.csv", "text\n \n\t\n", "empty"),
        ("missing.txt", None, "missing.txt"),
    ],
)
def test_bad_files_are_the_users_error(tmp_path, name, content, message):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(UserError, match=message):
        read_texts(tmp_path / name)


def test_lines_with_as_many_tabs_each_are_a_table(tmp_path):
    table = write(tmp_path / "a.txt", "text\tlabel\ngood film\tpos\nbad film\tneg\n")
    assert not is_plain_text(table) and is_plain_text(write(tmp_path / "b.txt", "one\ttwo\nthree\n"))
    found = read_texts(table)
    assert list(found.texts) == ["good film", "bad film"]
    assert is_plain_text(write(tmp_path / "c.txt", "\tIt rained.\n\tThen it stopped.\n")), "indented paragraphs"
