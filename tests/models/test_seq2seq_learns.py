"""Each network learns to copy and to reverse strings that it has not seen: attention, masks and search all at work.

And to copy what it has never seen from its place in the source, as in training some pieces are hidden.
"""

import keras
import numpy as np
import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.constants import FIRST_PIECE, PAD, UNK
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.tasks.seq2seq import Search, Writer, limits_of, write
from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training.pair_batches import PairBatches

DIGITS = range(FIRST_PIECE, FIRST_PIECE + 10)
COPY, REVERSE = DIGITS.stop, DIGITS.stop + 1  # the first token of a source says what to do
UNSEEN = 200
# Options, learning rate, epochs: as little as is enough; a network without an entry must do with its defaults.
ENOUGH = {
    "transformer_seq2seq": (
        {"layers": 1, "d_model": 64, "feed_forward": 128, "dropout": 0.0, "attention_dropout": 0.0},
        6e-3,
        17,
    ),
    "lstm_seq2seq": ({"units": 48, "embedding_dim": 32, "dropout": 0.0}, 1e-2, 12),
}


def ids_of(rows):
    return TokenIds(np.concatenate(rows).astype("int32"), np.cumsum([0, *map(len, rows)], dtype="int64"))


@pytest.fixture(scope="module")
def pairs():
    """Sources, all different, of 1 to 4 digits, and targets."""
    random = np.random.default_rng(0)
    found = set()
    while len(found) < 3200:
        digits = random.integers(DIGITS.start, DIGITS.stop, random.integers(1, 5)).tolist()
        found.add((int(random.choice([COPY, REVERSE])), *digits))
    sources = sorted(found)
    sources = [sources[place] for place in random.permutation(len(sources))]
    return sources, [source[1:] if source[0] == COPY else source[:0:-1] for source in sources]


@pytest.mark.parametrize("name", [spec.name for spec in registry.networks("seq2seq")])
def test_it_copies_and_reverses_unseen_strings(name, pairs):
    sources, targets = pairs
    options, rate, epochs = ENOUGH.get(name, ({}, 1e-3, 20))
    same = np.array([number if number in DIGITS else PAD for number in range(REVERSE + 1)], "int32")
    known = PairBatches(ids_of(sources[UNSEEN:]), ids_of(targets[UNSEEN:]), 512, seed=0, multiple=6, same=same)
    unseen = PairBatches(ids_of(sources[:UNSEEN]), ids_of(targets[:UNSEEN]), 2048, multiple=6)
    keras.utils.set_random_seed(0)
    sizes = PairSizes(source_vocabulary=REVERSE + 1, target_vocabulary=DIGITS.stop, joint=False)
    network = registry.find(name).architecture(**options).build(sizes)
    steps = len(known) * epochs
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=rate, warmup_steps=steps // 10)
    network.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), TokenCrossEntropy(), jit_compile=False)
    batches = (batch for epoch in range(epochs) for batch in known.epoch(epoch))
    network.fit(batches, steps_per_epoch=len(known), epochs=epochs, verbose=0, shuffle=False)
    limits = limits_of(known.source.lengths, known.target.lengths)
    writer = Writer(network, Search(limits, unknown=True, fixed=False).greedy)
    written = write(writer, unseen, unseen.plan(0))
    right = [tuple(found.tolist()) == target for found, target in zip(written.tokens, targets, strict=False)]
    assert len(right) == UNSEEN
    assert np.mean(right) >= 0.99

    # One digit becomes what no training row had.
    unknown = [tuple(UNK if token == source[1] else token for token in source) for source in sources[:UNSEEN]]
    odd = PairBatches(ids_of(unknown), ids_of(targets[:UNSEEN]), 2048, multiple=6)
    written = write(writer, odd, odd.plan(0))
    copied = [
        tuple(
            sources[row][place] if token == UNK else token for token, place in zip(tokens.tolist(), places, strict=True)
        )
        for row, (tokens, places) in enumerate(zip(written.tokens, written.alignments, strict=True))
    ]
    assert any(UNK in tokens for tokens in written.tokens)
    assert np.mean([found == target for found, target in zip(copied, targets, strict=False)]) >= 0.9
