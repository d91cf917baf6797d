import random

import pytest

from kerasnlp_kit.evaluation.sequence_distance import levenshtein, longest_common_subsequence


def brute_force(first, second):
    """The whole table of Wagner and Fischer (1974), cell by cell."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            if i == 0 or j == 0:
                table[i][j] = i + j
                continue
            replaced = table[i - 1][j - 1] + (first[i - 1] != second[j - 1])
            table[i][j] = min(replaced, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


def brute_force_common(first, second):
    if not first or not second:
        return 0
    if first[-1] == second[-1]:
        return brute_force_common(first[:-1], second[:-1]) + 1
    return max(brute_force_common(first[:-1], second), brute_force_common(first, second[:-1]))


def pairs(most, count):
    generator = random.Random(0)
    for _ in range(count):
        yield ["".join(generator.choices("abc", k=generator.randrange(most + 1))) for _ in range(2)]


def test_distance_agrees_with_the_whole_table():
    for first, second in pairs(most=11, count=500):
        assert levenshtein(first, second) == brute_force(first, second), (first, second)


def test_distance_of_sequences_longer_than_a_machine_word_agrees_with_the_whole_table():
    for first, second in pairs(most=200, count=10):
        assert levenshtein(first, second) == brute_force(first, second)


def test_common_subsequence_agrees_with_trying_all():
    for first, second in pairs(most=8, count=300):
        assert longest_common_subsequence(first, second) == brute_force_common(first, second), (first, second)


@pytest.mark.parametrize(
    ("first", "second", "distance", "common"),
    [
        ("", "", 0, 0),
        ("", "abc", 3, 0),
        ("abc", "", 3, 0),
        ("kitten", "sitting", 3, 4),  # s for k, i for e, one g more; common: i t t n
        ("我爱北京", "我爱南京", 1, 3),
        ("👍👎", "👎", 1, 1),
    ],
)
def test_known_pairs(first, second, distance, common):
    assert levenshtein(first, second) == distance
    assert longest_common_subsequence(first, second) == common


def test_items_may_be_whole_tokens():
    # K for C; AE1 and T stay.
    assert levenshtein(["K", "AE1", "T"], ["C", "AE1", "T"]) == 1
    assert longest_common_subsequence(["K", "AE1", "T"], ["C", "AE1", "T"]) == 2
