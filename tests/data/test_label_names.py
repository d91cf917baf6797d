import itertools

import pytest

from kerasnlp_kit.data.label_names import similar_names


def pairs(*names):
    return {(pair.first, pair.second): pair.sure for pair in similar_names(names)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Spam", "spam"),
        ("spam", " spam"),
        ("card arrival", "card_arrival"),
        ("card-arrival", "Card  Arrival"),
        ("n/a", "N. A."),
        ("C++-jobs", "C++ jobs"),
        ("Arts - Crafts", "arts-crafts"),
        ("_billing_", "billing"),
        ("１", "1"),
        ("1", "1.0"),
        ("7", "007"),
        ("pos", "pos\u200b"),
        ("pos", "\ufeffpos"),
    ],
)
def test_two_spellings_of_a_name_are_found(first, second):
    assert pairs("other", first, second) == {(first, second): True}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("refund", "refunds"),
        ("delivery", "delivry"),
        ("delivery", "dilivery"),
        ("delivery", "delviery"),
        ("card arrival", "card arival"),
        ("Complaint", "compliaint"),
        ("delivery", "deelivery"),
    ],
)
def test_names_that_differ_in_one_letter_are_found_but_not_for_sure(first, second):
    assert pairs(first, "other", second) == {(first, second): False}


@pytest.mark.parametrize(
    "names",
    [
        ("0", "1"),
        ("-1", "1", "0"),
        ("+", "-"),
        ("A", "B"),
        ("pos", "neg", "neu"),
        ("cat", "car", "cats"),
        ("good", "food"),
        ("light", "night"),
        ("moral", "amoral"),
        ("class1", "class2", "class11"),
        ("level 1", "level 2"),
        ("type I", "type II"),
        ("group a", "group b"),
        ("grammatically a", "grammatically b"),
        ("1.0", "1.5"),
        ("C", "C++"),
        ("A", "A-", "B-", "B", "-B"),
        ("below -1", "below 1"),
        ("A- level", "A level"),
        ("A/-", "A/+"),
        ("体育", "体验"),
        ("import", "export"),
        ("male", "female"),
        ("nan", "null", "inf"),
        ("9007199254740992", "9007199254740993"),
        ("12e7654321", "12e7654322"),
        (),
    ],
)
def test_names_that_mean_two_things_are_let_alone(names):
    assert pairs(*names) == {}


def test_of_three_spellings_the_first_is_paired_with_each():
    assert pairs("Spam", "ham", "spam", "SPAM") == {("Spam", "spam"): True, ("Spam", "SPAM"): True}


def damerau_levenshtein(one, other):
    """Optimal string alignment by dynamic programming, as in the textbooks."""
    cost = {(row, 0): row for row in range(len(one) + 1)} | {(0, column): column for column in range(len(other) + 1)}
    for row, column in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        cost[row, column] = min(
            cost[row - 1, column] + 1,
            cost[row, column - 1] + 1,
            cost[row - 1, column - 1] + (one[row - 1] != other[column - 1]),
        )
        if row > 1 and column > 1 and one[row - 1] == other[column - 2] and one[row - 2] == other[column - 1]:
            cost[row, column] = min(cost[row, column], cost[row - 2, column - 2] + 1)
    return cost[len(one), len(other)]


def test_one_letter_is_a_distance_of_one():
    # All words of five and six letters over two letters, behind a first letter that is never the one to change.
    names = ["q" + "".join(letters) for size in (4, 5) for letters in itertools.product("ab", repeat=size)]
    expected = {pair for pair in itertools.combinations(names, 2) if damerau_levenshtein(*pair) == 1}
    assert set(pairs(*names)) == expected and len(expected) > 100
