"""Kneser-Ney against a slow one, written down from the equations with dictionaries."""

import collections
import math

import numpy as np
import pytest

from kerasnlp_kit.evaluation.kneser_ney import KneserNey

VOCABULARY = 6
RANDOM = np.random.default_rng(0)
TEXTS = [RANDOM.choice([1, 1, 1, 2, 2, 3, 4, 5], RANDOM.integers(1, 9)) for _ in range(80)]
HELD_OUT = [np.array(text) for text in ([1, 2, 1], [6], [5, 4, 3, 2, 1, 1, 2], [1], [2, 2, 2, 2, 2, 2])]


class Slow:
    """The same model, one probability at a time."""

    def __init__(self, texts, vocabulary, order):
        self.vocabulary, self.order = vocabulary, order
        seen = [collections.Counter() for _ in range(order + 2)]
        for text in texts:
            row = (0, *text.tolist())
            for size in range(1, order + 2):
                for begin in range(len(row) - size + 1):
                    seen[size][row[begin : begin + size]] += 1
        self.counts = [{} for _ in range(order + 1)]
        for size in range(1, order + 1):
            for gram, count in seen[size].items():
                if gram[-1] == 0:
                    continue
                if size < order and gram[0] != 0:
                    count = sum(longer[1:] == gram for longer in seen[size + 1])
                self.counts[size][gram] = count

    def discount(self, size, count):
        kinds = collections.Counter(self.counts[size].values())
        one, two, three, four = (kinds[number] for number in (1, 2, 3, 4))
        if not one or not two:
            return [0, 0.5, 0.75, 0.9][min(count, 3)]
        share = one / (one + 2 * two)
        first, second = 1 - 2 * share * two / one, 2 - 3 * share * three / two
        third = 3 - 4 * share * four / three if three else second
        found = [0, first, second, third][min(count, 3)]
        return min(max(found, 0.05), min(count, 3) - 0.05) if count else 0

    def probability(self, token, context):
        size = len(context) + 1
        lower = self.probability(token, context[1:]) if context else 1 / self.vocabulary
        after = {gram[-1]: count for gram, count in self.counts[size].items() if gram[:-1] == context}
        total = sum(after.values())
        if not total:
            return lower
        left = sum(self.discount(size, count) for count in after.values())
        count = after.get(token, 0)
        return (count - self.discount(size, count)) / total + left / total * lower

    def log_probabilities(self, text):
        row = (0, *text.tolist())
        return [
            math.log(self.probability(row[place], row[max(0, place - self.order + 1) : place]))
            for place in range(1, len(row))
        ]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_what_the_equations_say(order):
    fast, slow = KneserNey(TEXTS, VOCABULARY, order), Slow(TEXTS, VOCABULARY, order)
    expected = [value for text in HELD_OUT for value in slow.log_probabilities(text)]
    np.testing.assert_allclose(fast.log_probabilities(HELD_OUT), expected, atol=1e-10)


@pytest.mark.parametrize("order", [1, 3, 5])
@pytest.mark.parametrize("context", [[], [1], [6, 6], [1, 2, 1, 1], [5, 5, 5, 5, 5, 5]])
def test_probabilities_of_all_tokens_add_up_to_one(order, context):
    model = KneserNey(TEXTS, VOCABULARY, order)
    texts = [np.array([*context, token]) for token in range(1, VOCABULARY + 1)]
    total = sum(math.exp(model.log_probabilities([text])[-1]) for text in texts)
    assert total == pytest.approx(1, abs=1e-9)


def test_texts_do_not_reach_into_each_other():
    model = KneserNey(TEXTS, VOCABULARY, 3)
    alone = np.concatenate([model.log_probabilities([text]) for text in HELD_OUT])
    np.testing.assert_allclose(model.log_probabilities(HELD_OUT), alone)


def test_what_was_seen_is_expected_and_what_was_not_is_possible():
    model = KneserNey([np.array([1, 2, 3])] * 20, 4, 3)
    seen, unseen = model.log_probabilities([np.array([1, 2, 3])]), model.log_probabilities([np.array([4])])
    assert seen[1] > math.log(0.8) and -20 < unseen[0] < math.log(0.3)


def test_one_text_of_one_token_is_enough():
    assert np.isfinite(KneserNey([np.array([1])], 2, 5).log_probabilities([np.array([2, 1, 1])])).all()
