"""Reading: every format, every way in, and one clear sentence for each kind of bad input."""

import csv
import errno
import gzip
import http.server
import io
import json
import random
import ssl
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from kerasnlp_kit.data import read_table
from kerasnlp_kit.data import source as source_module
from kerasnlp_kit.data.dialect import find_dialect
from kerasnlp_kit.data.table import open_table
from kerasnlp_kit.errors import UserError

CHECKOUT = Path(__file__).resolve().parents[2]
BANKING = Path(__file__).resolve().parents[3] / "shared" / "data" / "banking77"


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cells(source, **options):
    table = read_table(source, **options)
    return {name: table.data[name].to_pylist() for name in table.columns}


def refusal(source, **options):
    with pytest.raises(UserError) as caught:
        read_table(source, **options)
    message = str(caught.value)
    assert len(message.splitlines()) <= 2 and message
    return message


# What comes in


@pytest.mark.parametrize(("mark", "word"), [(",", "comma"), ("\t", "tab"), (";", "semicolon"), ("|", "pipe")])
def test_each_delimiter_is_found_out(write, mark, word):
    table = read_table(write(f'text{mark}label\n"a{mark} b, c; d",x\n'.replace('",', f'"{mark}') + f"e f{mark}y\n"))
    assert table.data.to_pydict() == {"text": [f"a{mark} b, c; d", "e f"], "label": ["x", "y"]}
    assert word in table.description


def test_quoted_fields_with_line_breaks_read_as_pandas_reads_them(write):
    random.seed(1)
    pieces = ['"', '""', ",", "\n", "\r\n", "\r", " ", "é", "很好", "🙂", "nan", "null", "NA", "a", "\t", ";", "'"]
    frame = pd.DataFrame(
        {"text": ["x" + "".join(random.choices(pieces, k=8)) for _ in range(300)], "label": random.choices("12", k=300)}
    )
    path = write(frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC))
    expected = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert cells(path) == {"text": expected.text.tolist(), "label": expected.label.tolist()}
    assert expected.text.tolist() == frame.text.tolist()


@pytest.mark.skipif(not BANKING.exists(), reason="needs the banking77 data")
def test_banking77_reads_as_pandas_reads_it():
    broken = 0
    for name in ("train.csv", "dev.csv", "test.csv"):
        expected = pd.read_csv(BANKING / name, dtype=str, keep_default_na=False)
        found = cells(BANKING / name)
        assert found == {column: expected[column].tolist() for column in expected}
        broken += sum("\n" in text for text in found["text"])
        if name == "train.csv":
            assert len(found["text"]) == 9000 and len(set(found["label"])) == 77
    assert broken == 13  # as the notes on the data say


def test_no_value_is_interpreted(write):
    values = ["nan", "null", "NA", "None", "007", "1", "1.0", "true", "1e5", "-inf", "2020-01-01", " x "]
    assert cells(write("text,label\n" + "".join(f"{v},{v}\n" for v in values))) == {"text": values, "label": values}


def test_an_empty_field_is_an_empty_text_and_a_short_row_has_missing_cells(write):
    assert cells(write('text,label\n,x\n"",y\nalone\n')) == {"text": ["", "", "alone"], "label": ["x", "y", None]}


def test_rows_are_numbered_by_the_line_they_begin_at(write):
    # Line 1 is the header, the first text spans lines 2 and 3, line 4 is blank.
    assert read_table(write('text,label\n"a\nb",x\n\nc,y\n')).rows.tolist() == [2, 5]


def test_crlf_and_byte_order_marks_leave_no_trace(write):
    content = "text,label\r\nschön,x\r\n"
    expected = {"text": ["schön"], "label": ["x"]}
    assert cells(write(content)) == expected
    assert cells(write(b"\xef\xbb\xbf" + content.encode())) == expected
    assert "byte-order mark" in read_table(write(b"\xef\xbb\xbf" + content.encode())).description
    assert cells(write(content.encode("utf-16"))) == expected
    assert cells(write(b"\xfe\xff" + content.encode("utf-16-be"))) == expected


def test_line_ends_of_old_macintoshes_are_understood(write):
    assert cells(write("text,label\ra,x\rb,y\r")) == {"text": ["a", "b"], "label": ["x", "y"]}


def test_a_text_of_a_megabyte_and_emoji_survive(write):
    long = "很好🙂é " * 120_000
    assert len(long.encode()) > 1 << 20
    assert cells(write(f'text,label\n"{long}",x\n')) == {"text": [long], "label": ["x"]}
    line = json.dumps({"text": long, "label": "x"})
    assert cells(write(line, "a.jsonl")) == {"text": [long], "label": ["x"]}


def test_a_file_without_header_gets_numbered_columns(write):
    rows = [("I like it.", "good"), ("I hate it!", "bad"), ("Not for me", "bad"), ("Well done", "good")] * 2
    table = read_table(write("".join(f"{text},{label}\n" for text, label in rows)))
    assert table.columns == ("column_1", "column_2") and len(table) == 8 and table.rows[0] == 1


def test_a_first_row_that_differs_from_those_below_is_a_header(write):
    assert read_table(
        write("v1,v2\n" + "ham,Shall we meet at the old station today\nspam,You won a prize call\n" * 4)
    ).columns == ("v1", "v2")


@pytest.mark.parametrize("odd", ["Verified purchase?", "2021", "How likely is it that you would recommend us"])
def test_two_usual_headings_make_a_header_whatever_the_others_are(write, odd):
    table = read_table(write(f"text,label,{odd}\n" + "I like it.,good,yes\nNot for me,bad,no\n" * 5))
    assert table.columns == ("text", "label", odd) and len(table) == 10


def test_a_heading_that_pandas_left_out_does_not_hide_the_others(write):
    table = read_table(write("Unnamed: 0,text,airline_sentiment\n" + "7,I like it.,good\n8,Not for me,bad\n" * 5))
    assert table.columns == ("Unnamed: 0", "text", "airline_sentiment") and len(table) == 10


def test_what_stands_above_dates_is_a_heading_and_so_are_its_neighbours_also_questions(write):
    header = ["Zeitstempel", "Wie zufrieden sind Sie mit uns?", "Kategorie"]
    rows = "03.05.2024 10:12,Sehr,gut\n04.05.2024 11:30,Gar nicht,schlecht\n"
    assert read_table(write(",".join(header) + "\n" + rows * 3)).columns == tuple(header)
    assert len(read_table(write(rows * 3))) == 6, "and dates above dates are none"


@pytest.mark.parametrize("header", ["Bez.;Kat.", "Kundentext;Bew.", "Comment.;Label."])
def test_abbreviations_are_headings(write, header):
    rows = "Das Zimmer war sauber;gut\nDas Essen kalt;schlecht\n" * 4
    assert read_table(write(f"{header}\n{rows}")).columns == tuple(header.split(";"))


@pytest.mark.parametrize("nothing", ["nan", "None", "N/A"])
def test_a_number_that_is_missing_in_the_first_row_makes_no_header(write, nothing):
    table = read_table(write(f"The room was clean.,{nothing}\n" + "I like it.,1\nNot for me.,2\n" * 4))
    assert table.columns == ("column_1", "column_2") and len(table) == 9


def test_a_sentence_is_no_heading(write):
    table = read_table(write("Go.\tVe.\n" + "I am here now.\tEstoy aquí.\nWe go home now.\tVamos.\n" * 4, "a.tsv"))
    assert table.columns == ("column_1", "column_2") and len(table) == 9
    assert read_table(write("No.,Text,Klasse\n" + "1,I like it.,gut\n2,Not for me,schlecht\n" * 4)).columns[0] == "No."


def test_a_comma_between_digits_alone_is_that_of_a_number(write):
    assert cells(write("I like it;1,5\nNot for me;2,0\nWell;1,0\n"))["column_1"] == ["I like it", "Not for me", "Well"]


def test_a_line_of_excel_names_the_delimiter_and_is_no_row(write):
    path = write('sep=;\r\ntext;label\r\n"a; b,\nc";x\r\nd, e;y\r\n')
    table = read_table(path)
    assert cells(path) == {"text": ["a; b,\nc", "d, e"], "label": ["x", "y"]}
    assert table.rows.tolist() == [3, 5]
    assert "data.csv: line 4: the quote that opens here" in refusal(write('sep=;\ntext;label\na;x\nb;"y\n'))
    assert "holds nothing but blank lines" in refusal(write("sep=;\n\n\n"))


def test_quotes_that_pair_up_from_one_row_to_another_are_literal(write):
    rows = ['"I will go.\ta', "He said.\tb", 'Then we leave."\ta', "Well\tb"]
    table = read_table(write("text\tlabel\n" + "\n".join(rows) + "\n", "a.tsv"))
    assert table.data["text"].to_pylist() == ['"I will go.', "He said.", 'Then we leave."', "Well"]
    assert "quotes taken literally" in table.description
    # A text of several lines, of which not each could be a row, is one.
    table = read_table(write('text\tlabel\n"two\nlines"\ta\nb\tc\n', "b.tsv"))
    assert table.data["text"].to_pylist() == ["two\nlines", "b"] and "literally" not in table.description


def test_a_label_called_like_a_heading_does_not_make_a_header(write):
    assert read_table(write("who is it,question\nit is me,answer\nwhat now,question\n")).columns[0] == "column_1"


def test_a_list_of_sentences_is_one_column_whatever_its_commas(write):
    sentences = ["Hello, how are you", "Fine", "Well, that is good, I think", '"Quoted" he said', "End; really"]
    assert cells(write("\n".join(sentences), "a.txt")) == {"column_1": sentences}
    assert cells(write("text\n" + "\n".join(sentences))) == {"text": sentences}
    assert cells(write("__label__1 a\n__label__2 b\n")) == {"column_1": ["__label__1 a", "__label__2 b"]}
    assert cells(write("Great film, loved it\n")) == {"column_1": ["Great film, loved it"]}


def test_blanks_after_the_delimiter_follow_the_header(write):
    assert cells(write('text, label\n"a, b", x\nc, y\n')) == {"text": ["a, b", "c"], "label": ["x", "y"]}


def test_quotes_in_a_tab_separated_file_may_be_literal(write):
    table = read_table(write('text\tlabel\n"Good" he said\tx\nsize 5" screen\ty\n"open\tx\n', "a.tsv"))
    assert table.data["text"].to_pylist() == ['"Good" he said', 'size 5" screen', '"open']
    assert "quotes taken literally" in table.description


def test_json_lines_keep_the_spelling_of_numbers(write):
    path = write(
        '{"text": "a", "label": 1}\n\n{"text": null, "label": 1.0}\n{"label": true, "extra": "late"}\n', "a.jsonl"
    )
    assert cells(path) == {"text": ["a", None, None], "label": ["1", "1.0", "true"], "extra": [None, None, "late"]}
    assert read_table(path).rows.tolist() == [1, 3, 4]


def test_json_lines_may_gain_keys_after_many_rows(write):
    lines = ['{"text": "a"}'] * 25_000 + ['{"text": "b", "label": "x"}']
    table = read_table(write("\n".join(lines), "a.jsonl"))
    assert table.data["label"].null_count == 25_000 and table.data["label"][-1].as_py() == "x"


def test_several_keys_of_json_lines_that_come_late_keep_their_own_values(write):
    late = {key: key.upper() for key in ("zz", "aa", "mm", "bb", "cc")}
    lines = [json.dumps({"id": str(number)}) for number in range(1100)]
    table = read_table(
        write("\n".join([*lines, json.dumps(late), json.dumps({"id": "x", "cc": "C", "aa": "A"})]), "a.jsonl")
    )
    assert table.columns == ("id", *late)
    last = table.data.slice(1100).to_pylist()
    assert last[0] == {"id": None, **late}
    assert last[1] == {"id": "x", "zz": None, "aa": "A", "mm": None, "bb": None, "cc": "C"}


def test_json_lines_are_known_by_content_too(write):
    assert cells(write('{"text": "a, b", "label": "x"}\n', "data.txt")) == {"text": ["a, b"], "label": ["x"]}


def test_parquet_numbers_become_strings(tmp_path):
    path = tmp_path / "a.parquet"
    data = {"text": ["a", None], "count": [1, 2], "share": [1.0, 0.5], "good": [True, False]}
    pa.parquet.write_table(pa.table(data).append_column("kind", pa.array(["u", "v"]).dictionary_encode()), path)
    expected = {"text": ["a", None], "count": ["1", "2"], "share": ["1.0", "0.5"], "good": ["true", "false"]}
    assert cells(path) == expected | {"kind": ["u", "v"]}
    assert read_table(path).rows.tolist() == [1, 2]
    shares = {"half": pa.array([3.3, 1.0], pa.float32()), "quarter": pa.array([3.3, 0.1]).cast(pa.float16())}
    pa.parquet.write_table(pa.table(shares), tmp_path / "c.parquet")
    assert cells(tmp_path / "c.parquet") == {"half": ["3.3", "1.0"], "quarter": ["3.3", "0.1"]}
    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert cells(packed, columns=["count"]) == {"count": ["1", "2"]}


def test_what_pandas_writes_for_no_value_is_none_and_the_word_is_a_word(write, tmp_path):
    lines = '{"text": NaN, "label": "NaN", "n": -Infinity}\n{"text": "nan", "label": "b", "n": 1.50}\n'
    expected = {"text": [None, "nan"], "label": ["NaN", "b"], "n": ["-Infinity", "1.50"]}
    assert cells(write(lines, "a.jsonl")) == expected
    pa.parquet.write_table(pa.table({"n": [float("nan"), 1.5, float("inf")]}), tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == {"n": [None, "1.5", "inf"]}


def test_lists_stay_lists_in_json_lines_and_parquet(write, tmp_path):
    rows = [["x", "y"], [], None, "z", [1.0, True, None, 7]]
    path = write("".join(json.dumps({"text": "a", "tags": row}) + "\n" for row in rows), "a.jsonl")
    # Values as they are spelled; a string beside lists is a list of one.
    assert cells(path)["tags"] == [["x", "y"], [], None, ["z"], ["1.0", "true", None, "7"]]
    path = tmp_path / "a.parquet"
    columns = {
        "names": pa.array([["x", "y"], [], None, ["z"]]),
        "large": pa.array([["x"], None, [], ["y", "z"]], pa.large_list(pa.large_string())),
        "fixed": pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int64(), 2)),
        "floats": pa.array([[1.0], [0.1, 2.0], [], None]),
        "coded": pa.array([["x"], ["x", "y"], [], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    }
    pa.parquet.write_table(pa.table(columns), path)
    assert cells(path) == {
        "names": [["x", "y"], [], None, ["z"]],
        "large": [["x"], None, [], ["y", "z"]],
        "fixed": [["1", "2"], None, ["3", "4"], ["5", "6"]],
        "floats": [["1.0"], ["0.1", "2.0"], [], None],
        "coded": [["x"], ["x", "y"], [], None],
    }


def test_a_list_that_comes_late_makes_the_whole_column_lists(write):
    # 20,000 rows are a chunk.
    lines = ['{"text": "a", "tag": "x"}\n'] * 20_000 + ['{"text": "b", "tag": null}\n', '{"text": "b", "tag": ["y"]}\n']
    found = cells(write("".join(lines), "a.jsonl"))
    assert found["tag"] == [["x"]] * 20_000 + [None, ["y"]] and found["text"][-1] == "b"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_the_head_of_a_file_is_its_first_rows_without_what_is_no_string(tmp_path, name):
    path = tmp_path / name
    columns = {"text": [f"text {row}" for row in range(50)], "kind": ["x", "y"] * 25}
    if name.endswith("parquet"):
        pa.parquet.write_table(pa.table(columns | {"meta": [{"a": 1}] * 50}), path)
    else:
        frame = pd.DataFrame(columns)
        frame.to_csv(path, index=False) if name.endswith("csv") else frame.assign(meta=[{"a": 1}] * 50).to_json(
            path, orient="records", lines=True
        )
    with open_table(path) as file:
        head = file.head(file.columns, 10)
    assert head.to_pydict() == {name: cells[:10] for name, cells in columns.items()}


def test_compression_is_known_by_its_first_bytes(write):
    packed = gzip.compress(b"text,label\na,x\n", mtime=0)
    for name in ("a.csv.gz", "a.csv"):
        table = read_table(write(packed, name))
        assert table.data.to_pydict() == {"text": ["a"], "label": ["x"]} and "gzip" in table.description
    assert cells(write(b"text,label\na,x\n", "plain.csv.gz")) == {"text": ["a"], "label": ["x"]}


def test_only_the_columns_asked_for_are_kept(write):
    assert cells(write("a,b,c\n1,2,3\n"), columns=["c", "a"]) == {"c": ["3"], "a": ["1"]}


def test_the_fingerprint_is_that_of_the_bytes(write):
    # From `printf 'text,label\na,x\n' | sha256sum`, computed here by the tool itself.
    path = write("text,label\na,x\n")
    expected = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert read_table(path).fingerprint == f"sha256:{expected}"


def test_standard_input_and_named_pipes_are_read(tmp_path, write):
    script = (
        "import sys; from kerasnlp_kit.data import read_table; t = read_table(sys.argv[1]); print(t.data.to_pydict())"
    )
    content = gzip.compress(b"text,label\na,x\n", mtime=0)
    for source in ("-", "/dev/stdin"):
        run = subprocess.run(
            [sys.executable, "-c", script, source], input=content, capture_output=True, check=True, cwd=CHECKOUT
        )
        assert run.stdout.decode().strip() == "{'text': ['a'], 'label': ['x']}"


def test_urls_are_read(tmp_path, write):
    path = write("text,label\na,x\n")
    handler = partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert cells(f"{address}/data.csv?download=1") == cells(path)
            assert "404" in refusal(f"{address}/none.csv")
            assert read_table(f"{address}/data.csv?key=secret#part").source == f"{address}/data.csv?..."
        finally:
            server.shutdown()
            thread.join()
    assert "cannot be reached" in refusal(f"{address}/data.csv")
    assert cells(path.as_uri()) == cells(path)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://me:secret@localhost:1/x.csv?key=secret", ["https://localhost:1/x.csv?...", "user name"]),
        ("http://localhost:1/x.csv?key=secret", ["http://localhost:1/x.csv?...", "cannot be reached"]),
        ("http://localhost:x/y.csv?key=secret", ["not a valid address"]),
        ("http://localhost:1/x y.csv?key=secret", ["http://localhost:1/x y.csv?...", "cannot be reached"]),
        ("http://localhost:1/数据.csv?key=secret", ["http://localhost:1/数据.csv?...", "cannot be reached"]),
        ("http://[secret", ["not valid"]),
        ("http://localhost:1/x.csv?...", ["was not kept", "whole address"]),
    ],
)
def test_an_address_is_refused_without_its_secrets(address, words):
    message = refusal(address)
    assert "secret" not in message.replace("may be a secret", "") and all(word in message for word in words)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


# What is refused, and with which words


@pytest.mark.parametrize(
    "error", [TimeoutError("timed out"), ssl.SSLError(1, "bad record"), OSError(errno.EHOSTUNREACH, "No route to host")]
)
def test_what_breaks_off_while_it_is_read_is_no_fault_of_the_temporary_folder(monkeypatch, error):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise error

    monkeypatch.setattr(source_module.urllib.request, "urlopen", lambda *_, **__: Broken())
    with pytest.raises(UserError, match=r"http://host/a\.csv: cannot be reached \(.*\)\. Check address"):
        read_table("http://host/a.csv")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(UserError, match=r"standard input: cannot be read: (timed out|bad record|No route to host)\."):
        read_table("-")


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-this-name/a.csv", "a" * 300 + "/b.csv"])
def test_what_can_be_no_file_is_told_in_one_sentence(name):
    with pytest.raises(UserError, match=r"File name too long|there is no such file"):
        read_table(name)


def test_a_missing_file_names_its_neighbours(write):
    path = write("text,label\na,x\n", "train.csv")
    assert "Did you mean" in refusal(path.parent / "trian.csv") and "train.csv" in refusal(path.parent / "trian.csv")
    assert "no folder" in refusal(path.parent / "none" / "train.csv")
    assert "folder" in refusal(path.parent)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty"]),
        (b"\n \n", ["blank"]),
        (b"\n" * 1200 + b"text,label\na b,c\n", ["begins with 1,000 blank lines"]),
        (b"text,label\n", ["no rows", "text, label"]),
        (b"\xef\xbb\xbf", ["blank"]),
        (gzip.compress(b"", mtime=0), ["empty once unpacked"]),
        (b"text,label\na,x\nb caf\xe9,y\n", ["line 3", "0xe9", "offset 5", "iconv -f WINDOWS-1252"]),
        ("text,label\n很好吃,1\n".encode("gb18030"), ["line 2", "0xba", "offset 0", "GB18030"]),
        (b'text,label\na,x\n"b,y\nc,x\nd,y\n', ["line 3", "never closed"]),
        (b'text,label\na,x\n"b\nb","c,y\nd,y\n', ["line 4", "never closed"]),
        (b'text,label\na,x\n"b,y\nc,x\n"d",y\n', ["line 3", "line 5"]),
        (b'text,label\n"a "quoted" word",x\n', ["line 2", "doubled"]),
        (b"text,label\na,x\nb\0c,y\n", ["line 3", "NUL"]),
        ("text,label\na,x\n".encode("utf-16-le"), ["line 1", "NUL", "UTF-16"]),
        (b"text,label\na,x\nb,c,y\n", ["line 3", "expected 2", "found 3"]),
        (b"text\na,x\nb,y\n", ["line 2", "expected 1", "found 2"]),
        (b"text,text\na,x\n", ['"text" twice']),
        (b"text,label\na\rb,x\n", ["line 2", "carriage return"]),
        (gzip.compress(b"text,label\n" + b"a,x\n" * 999, mtime=0)[:-12], ["gzip", "broken or cut off"]),
        (b"\x1f\x8bnonsense", ["gzip", "broken or cut off"]),
        (b"PAR1 and then nothing", ["Parquet", "broken"]),
        (b"PK\x03\x04rest", ["Excel"]),
        (b"<!DOCTYPE html><html></html>", ["web page"]),
        (b'{"text": "a"}\n{"text": "b"\n', ["line 2", "not JSON"]),
        (b'{"text": "a"}\n["b"]\n', ["line 2", "expected an object", "a list"]),
        (b'{"text": "a"}\n{"text": {"x": 1}}\n', ["line 2", '"text" holds an object']),
        (b'{"text": "a"}\n{"tags": [["x"]]}\n', ["line 2", '"tags" holds a list']),
        (b'{"text": "a"}\n{"tags": [{"x": 1}]}\n', ["line 2", '"tags" holds an object']),
        (b'{"text": "a"}\n{"tags": ["x", "y\\u0000"]}\n', ["line 2", '"tags" holds a NUL']),
        (b'{"text": "\\ud83d"}\n', ["line 1", "surrogate"]),
        (b'{"text": "a"}\n{"text": "b\\u0000c"}\n', ["line 2", '"text" holds a NUL']),
        (b'[{"text": "a"}]', ["JSON array", "jq"]),
    ],
)
def test_bad_input_is_refused_with_its_place_and_a_remedy(write, content, words):
    message = refusal(write(content))
    for word in ["data.csv", *words]:
        assert word in message


def test_a_column_that_is_missing_is_answered_with_the_nearest(write):
    message = refusal(write("text,label\na,x\n"), columns=["Txet"])
    assert '"Txet"' in message and "text, label" in message and 'mean "text"' in message
    message = refusal(write('{"text": "a"}\n', "a.jsonl"), columns=["txt"])
    assert 'mean "text"' in message


def test_parquet_whose_texts_are_no_utf_8_or_whose_columns_share_a_name_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"caf\xe9"))
    pa.parquet.write_table(pa.table({"text": broken}), path)
    assert "the Parquet file is broken" in refusal(path)
    pa.parquet.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), path)
    assert '2 columns are called "text"' in refusal(path)


def test_parquet_of_nested_lists_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"text": [[["a"]], [["b"]]]}), path)
    assert "list" in refusal(path)


def test_parquet_with_a_nul_is_refused_with_its_row(tmp_path):
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"text": ["a"] * 10_001 + ["b\0c"], "n": range(10_002)}), path)
    message = refusal(path)
    assert "row 10002" in message and '"text" holds a NUL' in message
    pa.parquet.write_table(pa.table({"tags": [["a", "b"], None, [], ["c", "d\0"]]}), path)
    message = refusal(path)
    assert "row 4" in message and '"tags" holds a NUL' in message


def test_reading_takes_at_most_twice_the_file(tmp_path):
    path = tmp_path / "big.csv"
    random.seed(0)
    words = ["".join(random.choices("abcdefghij", k=6)) for _ in range(999)]
    block = "".join(f'"{" ".join(random.choices(words, k=17))}",class{row % 5}\n' for row in range(4000))
    path.write_text("text,label\n" + block * 100)
    size = path.stat().st_size / 1024
    script = """
import resource, sys
from kerasnlp_kit.data import read_examples
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
examples = read_examples(sys.argv[1])
assert len(examples) == 400_000
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert size > 45 * 1024
    assert int(run.stdout) <= 2 * size + 30 * 1024


def test_the_sample_may_end_within_a_quoted_field():
    lines = io.StringIO("text,label\n" + 'a,x\n"b\nc",y\n' * 3).readlines()[:-1]
    dialect = find_dialect(lines, complete=False)
    assert (dialect.delimiter, dialect.header) == (",", True)


def test_line_numbers_are_integers_of_64_bits(write):
    assert read_table(write("text,label\na,x\n")).rows.dtype == np.int64


@pytest.mark.parametrize("name", ["messages", "messages.data", "messages.tsv"])
def test_a_stray_quote_does_not_hide_the_columns_between_tabs(write, name):
    rows = [f"ham\tmessage number {number}" for number in range(60)]
    rows[20] = 'spam\t"Win now" and more'
    path = write("\n".join(rows) + "\n", name)
    assert cells(path)["column_2"][20] == '"Win now" and more' and cells(path)["column_1"][20] == "spam"
    titled = cells(write("v1\tv2\n" + "\n".join(rows) + "\n", name))
    assert list(titled) == ["v1", "v2"] and len(titled["v1"]) == 60


def test_where_all_cells_between_tabs_are_quoted_a_stray_quote_is_a_mistake(write):
    rows = [f'"message number {number}"\t"pos"' for number in range(9)]
    rows[4] = '"he said "wow" loudly"\t"neg"'
    message = refusal(write('"text"\t"label"\n' + "\n".join(rows) + "\n", "a.tsv"))
    assert "a.tsv: line 6: the quote" in message


def test_a_quoted_header_above_a_stray_quote_is_one(write):
    rows = [f'{number}\t"good film {number}"\tpos' for number in range(9)]
    rows[3] = '3\t"he said "wow" loudly"\tneg'
    found = cells(write('"id"\t"text"\t"label"\n' + "\n".join(rows) + "\n", "a.tsv"))
    assert list(found) == ["id", "text", "label"] and found["label"][3] == "neg"


def test_a_header_within_the_file_is_refused_with_its_line(write):
    part = "text,label\n" + "".join(f"message {number},{'ab'[number % 2]}\n" for number in range(20))
    message = refusal(write(part + part))
    assert "data.csv: line 22 repeats the header" in message
    assert cells(write("text\nmessage\ntext\n"))["column_1"] == ["text", "message", "text"], "alone it may be a text"


def test_where_columns_need_not_be_plain_what_is_nested_is_kept_as_json(write, tmp_path):
    meta = {"stars": 5, "tags": ["a", {"b": None}], "name": "今天"}
    rows = [
        {"text": "good", "meta": meta, "rows": [], "more": ["x", 7], "long": [[9]]},
        {"text": "bad", "meta": None, "rows": [[1.5], [2]], "more": []},
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = write(lines.replace("[[9]]", f"[[{'9' * 5000}]]"), "a.jsonl")  # more digits than Python reads
    found = cells(path, plain=["text"])
    assert [json.loads(cell or "null") for cell in found["meta"]] == [meta, None]
    assert [json.loads(cell) for cell in found["rows"]] == [[], [[1.5], [2]]], "also where they happen to be plain"
    assert found["more"] == [["x", "7"], []] and found["text"] == ["good", "bad"]
    assert found["long"][0].count("9") == 5000
    assert '"meta" holds an object' in refusal(path)
    assert '"meta" holds an object' in refusal(path, plain=["meta"])
    raw = pa.array([b"\xff"], pa.binary())
    table = pa.table({"text": ["good"], "meta": [{"stars": 5, "raw": b"\xff"}], "raw": raw})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    found = cells(tmp_path / "a.parquet", plain=["text"])
    assert json.loads(found["meta"][0]) == {"stars": 5, "raw": "/w=="} and found["raw"] == ['"/w=="']
    for options in ({}, {"plain": ["meta"]}):
        assert 'column "meta" holds values of the type' in refusal(tmp_path / "a.parquet", **options)


@pytest.mark.parametrize(("encoding", "end"), [("utf-16", "\n"), ("utf-8", "\r")])
def test_a_file_of_which_only_the_head_is_read_is_closed_without_a_word(write, monkeypatch, encoding, end, collect):
    said = []
    monkeypatch.setattr("sys.unraisablehook", said.append)
    text = "text,reply,label" + end + f"how are you,fine today,a{end}" * 3000
    with open_table(write(text.encode(encoding))) as file:
        assert file.head(("text", "reply"), 1000).num_rows == 1000
    del file
    collect()
    assert not said
