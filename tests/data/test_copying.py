"""What JSON lines and Parquet hold keeps its type where the copy can have it."""

import json
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest

from kerasnlp_kit.data.copying import read_to_copy, write_copy


@pytest.fixture
def copied(tmp_path):
    """Copies a table as predict does, and returns the path of the copy."""

    def copied(source, name, **options):
        table, _ = read_to_copy(tmp_path / source, "text", (), tmp_path / name)
        write_copy(tmp_path / name, table, (), (), say=pytest.fail, **{"spreadsheet_safe": False, **options})
        return tmp_path / name

    return copied


def lines_of(path):
    """Of JSON lines, as text that tells 1 from 1.0 and from true."""
    return [repr(json.loads(line, parse_constant=pytest.fail)) for line in path.read_text().splitlines()]


def test_what_is_copied_from_parquet_keeps_its_type(tmp_path, copied, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)  # is not there in an ordinary installation
    nan, inf = float("nan"), float("inf")
    when = pa.array([1001, None], pa.timestamp("ns"))
    columns = {
        "text": ["=good", "bad"],
        "id": [2**60, None],
        "share": [1.0, nan],
        "short": pa.array([3.3, inf], pa.float32()),
        "seen": [True, None],
        "numbers": [[1.5, nan], None],
        "tags": [["a"], []],
        "when": when,
        "times": pa.array([[1001], []], pa.list_(pa.timestamp("ns"))),
        "more": [{"stars": 5, "share": nan}, None],
        "more.stars": [7, 8],
        "raw": [b"\xff", b""],
        "kind": pa.array(["a", "=b"]).dictionary_encode(),
        "view": pa.array(["=c", "d"], pa.string_view()),
    }
    own = pa.table(columns)
    pa.parquet.write_table(own, tmp_path / "a.parquet")
    again = pa.parquet.read_table(copied("a.parquet", "b.parquet"))
    stored = pa.parquet.read_table(tmp_path / "a.parquet")
    assert again.schema.equals(stored.schema) and str(again.to_pydict()) == str(stored.to_pydict())
    moment = "1970-01-01 00:00:00.000001001"
    assert lines_of(copied("a.parquet", "b.jsonl")) == [
        repr(row)
        for row in (
            {
                "text": "=good",
                "id": 2**60,
                "share": 1.0,
                "short": 3.3,
                "seen": True,
                "numbers": [1.5, None],
                "tags": ["a"],
            }
            | {"when": moment, "times": [moment], "more": {"stars": 5, "share": None}, "more.stars": 7, "raw": "/w=="}
            | {"kind": "a", "view": "=c"},
            {"text": "bad", "id": None, "share": None, "short": "inf", "seen": None, "numbers": None, "tags": []}
            | {"when": None, "times": [], "more": None, "more.stars": 8, "raw": "", "kind": "=b", "view": "d"},
        )
    ]
    safe = pa.parquet.read_table(copied("a.parquet", "d.parquet", spreadsheet_safe=True))
    assert (safe["text"][0].as_py(), safe["kind"][1].as_py(), safe["view"][0].as_py()) == ("'=good", "'=b", "'=c")
    assert safe["when"].equals(stored["when"])
    assert copied("a.parquet", "e.csv").read_text().splitlines()[1].startswith(f"=good,{2**60},1.0,3.3,true,")


def test_what_is_copied_from_json_lines_keeps_its_type(tmp_path, copied):
    rows = [
        '{"text": "=good", "id": 7, "share": 1, "seen": true, "tags": "b", "more": {"k": [{"none": {}}]}, "mixed": 1}',
        "",
        '{"text": "bad", "share": 0.5, "seen": false, "tags": ["b", "c"], "more": null, "mixed": true, "late": 2}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    first, _, second = map(json.loads, (rows[0], "0", rows[2]))
    found = lines_of(copied("a.jsonl", "b.jsonl"))
    assert found == [repr(first | {"late": None}), repr({"text": "bad", "id": None} | second)]
    table = pa.parquet.read_table(copied("a.jsonl", "b.parquet"))
    kinds = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert kinds == {"id": "int64", "share": "double", "seen": "bool", "late": "int64"} | dict.fromkeys(
        ("text", "more", "mixed"), "string"
    ) | {"tags": str(table.schema.field("tags").type)}
    assert table.to_pydict() == {
        "text": ["=good", "bad"],
        "id": [7, None],
        "share": [1.0, 0.5],
        "seen": [True, False],
        "tags": [["b"], ["b", "c"]],
        "more": ['{"k": [{"none": {}}]}', None],
        "mixed": ["1", "true"],
        "late": [None, 2],
    }
    safe = copied("a.jsonl", "d.jsonl", spreadsheet_safe=True).read_text().splitlines()
    assert json.loads(safe[0])["text"] == "'=good" and json.loads(safe[0])["id"] == 7
    assert copied("a.jsonl", "e.csv").read_text().splitlines()[1].startswith('=good,7,1,true,"[""b""]"')


def test_numbers_that_no_float_holds_are_copied_as_they_are_spelled(tmp_path, copied):
    spelled = {"pi": "3.14159265358979323846", "huge": "1e999", "small": "1e-99999999999999999999", "inf": "Infinity"}
    numbers = ", ".join(f'"{name}": {number}' for name, number in spelled.items())
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", {numbers}, "none": NaN, "long": 1{"0" * 30}}}\n')
    expected = {"text": "a", **spelled, "none": None}
    assert lines_of(copied("a.jsonl", "b.jsonl")) == [repr(expected | {"long": 10**30})]
    found = pa.parquet.read_table(copied("a.jsonl", "b.parquet")).to_pylist()
    assert found == [expected | {"long": f"1{'0' * 30}"}]
    (tmp_path / "c.jsonl").write_text('{"text": "a", "id": 9007199254740993}\n{"text": "b", "id": 0.5}\n')
    assert pa.parquet.read_table(copied("c.jsonl", "c.parquet"))["id"].to_pylist() == ["9007199254740993", "0.5"]
    (tmp_path / "a.csv").write_text("text,id\na,007\n")
    assert lines_of(copied("a.csv", "f.jsonl")) == [repr({"text": "a", "id": "007"})], "CSV knows texts alone"
