import gzip

import numpy as np
import pytest

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.vectors import read_vectors

VOCABULARY = ["", "[UNK]", "cat", "Dog", "mat", "at home"]
EXPECTED = np.float32([[0, 0], [0, 0], [1, -2], [0.5, 3e-2], [0, 0], [7, 8]])
LINES = "other 9 9\ncat 1 -2\ndog 0.5 3e-2\nat home 7 8\ncat 5 5\n"


@pytest.mark.parametrize(
    "content", [LINES, "5 2\n" + LINES, LINES.replace("\n", " \n"), LINES.replace("\n", "\r\n"), LINES[:-1]]
)
def test_vectors_of_the_vocabulary_are_read(tmp_path, content):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content.encode())
    matrix, found = read_vectors(path, VOCABULARY)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, EXPECTED)
    assert found.tolist() == [False, False, True, True, False, True]


def test_compressed_vectors_are_read(tmp_path):
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    np.testing.assert_array_equal(read_vectors(path, VOCABULARY)[0], EXPECTED)


@pytest.mark.parametrize("lines", ["Dog 1 2\ndog 3 4\n", "dog 3 4\nDog 1 2\n"])
def test_the_exact_word_wins_over_its_lower_case_form(tmp_path, lines):
    path = tmp_path / "vectors.txt"
    path.write_text(lines)
    assert read_vectors(path, ["Dog", "dog"])[0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("\n\n", "empty file"),
        ("cat\n", "line 1"),
        ("5 0\ncat 1\n", "line 1"),
        ("cat 1 2\ndog 1\n", "line 2: expected a word and 2 numbers. Received: 1 "),
        ("cat 1 2\ndog 1 2 3\n", "line 2: expected a word and 2 numbers. Received: 3 "),
        ("cat 1 2\n\nDog 1 x\n", "line 3: expected numbers. Received: 'x'"),
        ("cat 1 nan\n", "line 1: expected finite numbers. Received: nan"),
        ("other 1 2\n", "none of the 5 words"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_vectors(path, VOCABULARY)


def test_a_missing_or_damaged_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="readable"):
        read_vectors(tmp_path / "nothing.txt", VOCABULARY)
    damaged = tmp_path / "vectors.gz"
    for content in (b"no gzip", gzip.compress(LINES.encode())[:-12]):
        damaged.write_bytes(content)
        with pytest.raises(UserError, match="readable"):
            read_vectors(damaged, VOCABULARY)
