import pytest

from kerasnlp_kit.evaluation.degenerate_outputs import DegenerateShares, degenerate_shares, repeats


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("a a a", False),
        ("a a a a", True),
        ("b a a a a c", True),
        ("a b a b", False),
        ("a b a b a b", True),
        ("x a b c a b c a b c y", True),
        ("a b a c a d a e a", False),  # often, but not in a row
        ("a a b b a a b b", False),
        ("", False),
    ],
)
def test_repetition_is_a_token_four_times_or_an_ngram_three_times_in_a_row(text, repeated):
    assert repeats(text.split()) is repeated


def test_repetition_is_found_in_characters_too():
    assert repeats("哈哈哈哈")
    assert not repeats("哈哈")


def test_shares_are_of_all_rows():
    shares = degenerate_shares(["a b", "c", "d", "e"], [("x",)] * 4, [" a  b", " ", "y y y y", "z"], str.split)
    assert shares == DegenerateShares(copied=0.25, empty=0.25, repetitive=0.25)


def test_what_a_reference_does_is_right():
    shares = degenerate_shares(
        ["a", "b", "c"], [("x", "a"), ("", "y"), ("no no no no",)], ["a", "", "no no no no"], str.split
    )
    assert shares == DegenerateShares(0, 0, 0)


def test_warnings_name_the_share_above_a_threshold_only():
    assert DegenerateShares(0.05, 0.01, 0.02).warnings() == ()
    copied, empty, repetitive = DegenerateShares(0.06, 0.02, 0.125).warnings()
    assert copied.startswith("6.0% of the outputs are the source unchanged")
    assert empty == "2.0% of the outputs are empty."
    assert repetitive.startswith("12.5% of the outputs repeat themselves")
