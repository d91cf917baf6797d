import csv
import json
import subprocess
import sys

import pytest

ROWS = [(f"the room was {('clean', 'dirty')[row % 2]} {chr(97 + row)}", ("good", "bad")[row % 2]) for row in range(26)]


@pytest.fixture
def files(here):
    """A training file and a test file that share two rows."""
    for name, rows in (("train.csv", ROWS[:20]), ("test.csv", ROWS[18:])):
        with (here / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    return "train.csv", "test.csv"


def test_findings_are_printed_and_end_with_success(command, files, here):
    ran = command("doctor", *files)
    assert (ran.code, ran.err) == (0, "")
    assert "2 rows have texts of an earlier file: test.csv 2 of 8 (25.0%)" in ran.out
    assert "test.csv:2 good ~ train.csv:20 good" in ran.out
    assert "accuracy of a linear model trained on train.csv: test.csv 1.0000 of 8 rows" in ran.out
    assert ran.out.rstrip().endswith("--output FOLDER writes all rows of each finding.")
    assert sorted(path.name for path in here.iterdir()) == ["models", "test.csv", "train.csv"]


def test_the_rows_of_each_finding_are_written(command, files, here):
    ran = command("doctor", *files, "--output", "found", "--no-model")
    assert ran.code == 0 and "written to found" in ran.out and "linear model" not in ran.out
    with (here / "found" / "leaks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["line"], row["other_file"], row["other_line"]) for row in rows] == [
        ("test.csv", "2", "train.csv", "20"),
        ("test.csv", "3", "train.csv", "21"),
    ]
    assert [row["text"] for row in rows] == [text for text, _ in ROWS[18:20]]
    assert any(one["name"] == "leaks" for one in json.loads((here / "found" / "findings.json").read_text())["findings"])


def test_one_file_alone_is_fine(command, files):
    ran = command("doctor", files[0], "--no-model")
    assert ran.code == 0 and "leak" not in ran.out


def test_columns_are_taken_as_named(command, here):
    lines = "".join(f"{text},{row},{label},{row % 3}\n" for row, (text, label) in enumerate(ROWS))
    (here / "odd.csv").write_text("a,b,c,d\n" + lines)
    ran = command("doctor", "odd.csv", "--no-model", "--text-column", "a", "b", "--label-column", "c")
    assert ran.code == 0 and 'text columns "a" + "b" (as asked), label column "c" (as asked)' in ran.out


def test_pairs_are_not_taken_for_labelled_texts(command, here, refused):
    lines = "".join(f"{text},the answer number {row}\n" for row, (text, _) in enumerate(ROWS))
    (here / "pairs.csv").write_text("source,target\n" + lines)
    assert "pairs.csv holds pairs, a text for a text, and the doctor looks at labelled texts." in refused(
        "doctor", "pairs.csv"
    )
    ran = command("doctor", "pairs.csv", "--no-model", "--text-column", "source", "--label-column", "target")
    assert ran.code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "FILE must be given, before any option: kerasnlp-kit doctor FILE ..."),
        (["--text-column", "text", "train.csv"], "FILE must be given, before any option"),
        (["trian.csv"], "there is no such file. Did you mean train.csv?"),
        (["train.csv", "train.csv"], "train.csv is named twice"),
        (["train.csv", "--outputs", "x"], "unknown option '--outputs'; did you mean --output?"),
        (["train.csv", "--label-column", "topic"], 'there is no column "topic"'),
        (["train.csv", "--output", "test.csv"], "test.csv: expected a folder to write to, this is a file."),
        (["missing.csv", "--output", "full"], "full: is not empty and holds no earlier findings.json"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(refused, files, here, arguments, expected):
    (here / "full").mkdir()
    (here / "full" / "notes.txt").write_text("mine")
    assert expected in refused("doctor", *arguments)


def test_a_full_disk_is_told(command, files, here, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    ran = command("doctor", *files, "--no-model", "--output", "found")
    assert ran.code == 2 and "cannot be written: No space left on device" in ran.err
    assert list((here / "found").iterdir()) == []


def test_the_command_is_listed_and_its_help_needs_no_heavy_import(command):
    assert "doctor" in command("--help").out
    code = (
        "import sys\n"
        "from kerasnlp_kit.cli import main\n"
        "try:\n"
        "    main(['doctor', '--help'])\n"
        "except SystemExit as exit_:\n"
        "    heavy = {'tensorflow', 'keras', 'pyarrow', 'numpy', 'sklearn', 'scipy'}\n"
        "    print('imported:', sorted(heavy & set(sys.modules)), 'code:', exit_.code or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "imported: [] code: 0"
    assert "usage: kerasnlp-kit doctor" in done.stdout and "FILE ..." in done.stdout


def test_examining_without_a_model_needs_no_tensorflow(files):
    script = "import sys; from kerasnlp_kit.api.doctor import doctor; doctor(['train.csv', 'test.csv'], model=False); "
    done = subprocess.run(
        [sys.executable, "-c", script + "print('tensorflow' in sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
