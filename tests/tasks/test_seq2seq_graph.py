"""The signatures of an exported network from text to text, against its own other signatures and against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasnlp_kit import registry
from kerasnlp_kit.api.load import load
from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.decoding.protocol import Limits
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.tasks.seq2seq import MARGIN
from kerasnlp_kit.tasks.seq2seq_graph import MOST_GIVEN, Seq2SeqGraph
from kerasnlp_kit.text.pieces import PieceTokenizer

LIMITS = Limits(1.0, 2, 9)
SOURCES = ["abc", "", "hgfedcba", "a", "cab bac", "hh", "de", "fgh", "b好a"]
TARGETS = "xyz12"
SUBWORD_OPERATIONS = {"SentencepieceOp", "SentencepieceTokenizeOp", "SentencepieceDetokenizeOp"}


@pytest.fixture(scope="module")
def characters():
    """Tokenizers of source and target, by characters; "好" is known to neither."""
    return PieceTokenizer.fit(["abcdefgh h"], "characters"), PieceTokenizer.fit([TARGETS], "characters")


@pytest.fixture(scope="module")
def graph(characters):
    """A recurrent network with attention and random weights, to be exported."""
    source, target = characters
    return made(source, target, 31)  # that of which some outputs hold unknown tokens, and most do not


def made(source, target, seed, max_source=8):
    sizes = PairSizes(source.vocabulary_size, target.vocabulary_size, joint=False)
    architecture = registry.find("lstm_seq2seq").architecture(
        units=6, embedding_dim=5, bidirectional=False, input_feeding=False, tied=False
    )
    network = architecture.build(sizes)
    random = np.random.default_rng(seed)
    network.set_weights([random.normal(scale=1.5, size=weight.shape) for weight in network.get_weights()])
    return Seq2SeqGraph(
        network,
        source.graph(),
        target.graph(),
        limits=LIMITS,
        max_source=max_source,
        copy_unknown=True,
        beam=3,
        coverage_penalty=0.0,
        xla=True,
    )


@pytest.fixture(scope="module")
def folder(graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("characters")
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(graph, str(folder), signatures=graph.signatures(), options=options)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def subwords(trained_subword_writer):
    return load(trained_subword_writer)


class Asked:
    """The answers of a SavedModel as Python strings and NumPy arrays."""

    def __init__(self, signatures):
        self.signatures = signatures

    def __call__(self, name, **inputs):
        found = self.signatures[name](**{key: constant(key, value) for key, value in inputs.items()})
        return {key: plain(value.numpy()) for key, value in found.items()}

    def beam(self, source, size, penalty=0.6):
        return self("beam", source=source, beam_size=size, length_penalty=penalty)

    def sample(self, source, seed, temperature=1.0, top_k=0, top_p=1.0):
        return self("sample", source=source, seed=seed, temperature=temperature, top_k=top_k, top_p=top_p)


def constant(name, value):
    if isinstance(value, list):
        return tf.constant(value, tf.string, [len(value)])
    return tf.constant(value, tf.float32 if name in ("length_penalty", "temperature", "top_p") else tf.int32)


def plain(values):
    if values.dtype != object:
        return values
    return np.vectorize(bytes.decode, otypes=[object])(values).tolist() if values.size else values.tolist()


@pytest.fixture(scope="module")
def ask(loaded):
    return Asked(loaded.signatures)


@pytest.fixture(scope="module")
def written(ask):
    found = ask("serving_default", source=SOURCES)
    assert len(set(found["target"])) == 9, "random weights write different texts"
    return found


def test_a_beam_of_one_writes_what_greedy_writing_does(ask, written):
    found = ask.beam(SOURCES, 1, penalty=0.0)
    assert [row[0] for row in found["targets"]] == written["target"]
    np.testing.assert_allclose(found["scores"][:, 0], written["score"], atol=1e-4)


def test_the_score_of_a_greedy_text_is_its_log_probability(ask, written):
    rows = [row for row, text in enumerate(written["target"]) if SOURCES[row] and set(text) <= set(TARGETS)]
    assert len(rows) > 4, "nothing is copied into these"
    found = ask("score", source=[SOURCES[row] for row in rows], target=[written["target"][row] for row in rows])
    np.testing.assert_allclose(found["log_probability"], written["score"][rows], atol=1e-4)
    assert found["tokens"].tolist() == [len(written["target"][row]) + 1 for row in rows], "the end is one"


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_scores_of_a_beam_are_log_probabilities_by_the_length_penalty(ask, penalty):
    found = ask.beam(SOURCES[:8], 3, penalty)
    sources = [source for source in SOURCES[:8] for _ in range(3)]
    targets = [text for row in found["targets"] for text in row]
    known = [row for row, text in enumerate(targets) if sources[row] and set(text) <= set(TARGETS)]
    assert len(known) > 10, "nothing is copied into these"
    own = ask("score", source=[sources[row] for row in known], target=[targets[row] for row in known])
    # Wu et al. 2016, equation 14.
    expected = own["log_probability"] / ((5 + own["tokens"]) / 6) ** penalty
    np.testing.assert_allclose(found["scores"].ravel()[known], expected, atol=1e-4)
    assert (np.diff(found["scores"], axis=1) <= 0).all(), "best first"


def test_the_best_of_a_beam_is_no_worse_than_the_greedy_text(ask, written):
    assert (ask.beam(SOURCES, 3, penalty=0.0)["scores"][:, 0] >= written["score"] - 1e-4).all()


def test_the_same_seed_draws_the_same_texts_and_text_n_has_the_nth_seed_after_it(ask):
    found = ask.sample(["abc"] * 6, seed=3)
    assert found["target"] == ask.sample(["abc"] * 6, seed=3)["target"]
    assert len(set(found["target"])) > 1
    alone = [ask.sample(["abc"], seed=3 + number)["target"][0] for number in range(6)]
    assert found["target"] == alone


def test_a_low_temperature_and_a_choice_of_one_draw_the_greedy_text(ask, written):
    for narrow in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.0}):
        assert ask.sample(SOURCES, seed=1, **narrow)["target"] == written["target"], narrow


def test_a_text_begins_with_its_prefix_and_an_empty_prefix_changes_nothing(ask, written):
    prefixes = ["x", "zz", "", "12x", "y", "", "2", "xyz", "1"]
    found = ask("prefix", source=SOURCES, prefix=prefixes)
    for row, (prefix, text) in enumerate(zip(prefixes, found["target"], strict=True)):
        assert text.startswith(prefix)
        if not prefix:
            assert text == written["target"][row]
    again = ask("prefix", source=SOURCES, prefix=[text[:2] for text in written["target"]])
    # Of what it would have written anyway the beginning changes nothing.
    for text, expected in zip(again["target"], written["target"], strict=True):
        assert text == expected or not set(expected) <= set(TARGETS)
    odd = ["\u00fcx", "x\u00fc", "\u00fc", "", "  1   \u00fc ", "\u00fc\u00fc", "y", "z", "2"]
    for prefix, text in zip(odd, ask("prefix", source=SOURCES, prefix=odd)["target"], strict=True):
        assert text.startswith(" ".join(prefix.split())), "also where the tokenizer does not know it"


@pytest.mark.parametrize(("signature", "name"), [("prefix", "prefix"), ("score", "target")])
def test_another_number_of_texts_than_of_sources_is_refused(ask, signature, name):
    for count in (0, 1, 3):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"Each source needs one {name}"):
            ask(signature, source=["a", "b"], **{name: ["x"] * count})


def test_a_prefix_longer_than_an_output_may_be_comes_out_whole_whoever_stands_beside_it(ask):
    alone = ask("prefix", source=["a"], prefix=["xyz" * 5])["target"]
    assert alone[0].startswith("xyz" * 5) and len(alone[0]) < 15 + MARGIN
    assert ask("prefix", source=["abcabc", "a", "b"], prefix=["", "xyz" * 5, "x"])["target"][1] == alone[0]


def test_a_given_text_that_attention_has_no_memory_for_is_refused_and_told(ask):
    fits = "xyz12" * (MOST_GIVEN // 5)
    assert ask("score", source=["a"], target=[fits])["tokens"].tolist() == [len(fits) + 1]
    for signature, name in (("score", "target"), ("prefix", "prefix")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"A {name} may have at most {MOST_GIVEN} tokens"):
            ask(signature, source=["a", "b"], **{name: ["x", "x" * (MOST_GIVEN + 1)]})


def test_the_attention_of_each_token_sums_to_1_over_the_source(ask, written):
    found = ask("attention", source=SOURCES)
    assert found["target"] == written["target"]
    for row, source in enumerate(SOURCES):
        tokens = [name for name in found["target_tokens"][row] if name]
        names = [name for name in found["source_tokens"][row] if name]
        assert "".join(names) == source.replace("好", "[UNK]"), "none of these is longer than what is read"
        weights = found["weights"][row]
        np.testing.assert_allclose(weights[: len(tokens)].sum(axis=1), 1, atol=1e-5)
        assert not weights[len(tokens) :].any()
        if source:
            np.testing.assert_allclose(weights[: len(tokens), : len(source)].sum(axis=1), 1, atol=1e-5)


def test_an_unknown_character_is_copied_from_where_the_source_was_looked_at(ask, written):
    attention = ask("attention", source=SOURCES)
    copied = 0
    for row, source in enumerate(SOURCES):
        pieces = []
        for step, name in enumerate(attention["target_tokens"][row]):
            if name == "[UNK]":
                place = int(attention["weights"][row][step].argmax())
                pieces.append(source[place] if source else "")
                copied += bool(source)
            elif name not in ("", "[EOS]"):
                pieces.append(name)
        assert written["target"][row] == "".join(pieces)
    assert copied, "some token is unknown"


def test_the_compiled_signatures_write_what_the_plain_ones_do(ask, written):
    found = ask("greedy_xla", source=SOURCES)
    assert found["target"] == written["target"]
    np.testing.assert_allclose(found["score"], written["score"], atol=1e-4)
    found, expected = ask("beam_xla", source=SOURCES, length_penalty=0.6), ask.beam(SOURCES, 3)
    assert found["targets"] == expected["targets"]
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)


def test_a_few_padded_shapes_serve_all_numbers_and_lengths_of_texts(graph):
    shapes = set()
    for count in (0, 1, 2, 7, 8, 9, 31, 128, 129, 300):
        for length in (0, 1, 5, 8, 400):
            ids, rows = graph._read_fixed(constant("source", ["a" * length] * count))
            assert int(rows) == count and ids.shape[0] >= count and ids.shape[1] <= 8
            shapes.add(tuple(ids.shape))
    # The model reads 8 characters: one width. Rows: 1, 8, 32, 128, and above multiples of 128, here 256 and 384.
    assert shapes == {(rows, 8) for rows in (1, 8, 32, 128, 256, 384)}


def test_of_longer_sources_the_widths_are_few_too(characters):
    graph = made(*characters, 31, max_source=100)
    widths = {}
    for length in (0, 1, 16, 17, 31, 33, 64, 65, 99, 100, 101, 300):
        ids, _ = graph._read_fixed(constant("source", ["a" * length]))
        assert ids.shape[1] >= min(length, 100) and (ids.numpy()[0] != PAD).sum() == min(length, 100)
        widths.setdefault(int(ids.shape[1]), []).append(length)
    assert widths == {16: [0, 1, 16], 32: [17, 31], 64: [33, 64], 100: [65, 99, 100, 101, 300]}
    # Wider than the ids are: what fills them up changes nothing.
    sources = constant("source", ["abc", "hgfedcba", "a" * 20])
    fixed, plain = graph.greedy_xla(sources), graph.greedy(sources)
    assert fixed["target"].numpy().tolist() == plain["target"].numpy().tolist()
    np.testing.assert_allclose(fixed["score"], plain["score"], atol=1e-4)


def test_of_words_too_an_unknown_one_is_copied_whole_a_prefix_kept_and_a_text_scored():
    source, target = PieceTokenizer.fit(["a b c d e f g h"], "words"), PieceTokenizer.fit(["x y z"], "words")
    graph = made(source, target, 2)
    sources = constant("source", ["a strange b", "strange", "c d e", "h 好 g a"])
    written, looked = graph.greedy(sources), graph.attention(sources)
    copied = 0
    for row, text in enumerate(sources.numpy()):
        pieces = []
        for step, name in enumerate(looked["target_tokens"].numpy()[row]):
            if name == b"[UNK]":
                pieces.append(text.split()[int(looked["weights"].numpy()[row][step].argmax())])
                copied += 1
            elif name not in (b"", b"[EOS]"):
                pieces.append(name.decode().strip("\u2581").encode())
        assert written["target"].numpy()[row] == b" ".join(pieces)
    assert copied, "some token is unknown"
    begun = graph.continue_prefix(sources, constant("target", ["x y", "y", "", "z strange"]))["target"].numpy()
    assert begun[0].startswith(b"x y") and begun[1].startswith(b"y") and begun[3].startswith(b"z strange")
    assert begun[2] == written["target"].numpy()[2]
    found = graph.score(sources, constant("target", ["x y", "", "z z z", "x"]))
    assert found["tokens"].numpy().tolist() == [3, 1, 4, 2] and (found["log_probability"].numpy() < 0).all()


def test_no_sources_give_no_texts(ask):
    shapes = {
        "serving_default": {},
        "attention": {},
        "greedy_xla": {},
        "prefix": {"prefix": []},
        "score": {"target": []},
    }
    for name, further in shapes.items():
        assert all(len(values) == 0 for values in ask(name, source=[], **further).values()), name
    assert ask.beam([], 2)["scores"].shape == (0, 2)
    assert ask("beam_xla", source=[], length_penalty=0.6)["scores"].shape == (0, 3)
    assert ask.sample([], 1)["target"] == []


def test_batch_mates_do_not_change_a_text(ask, written):
    for row in (0, 1, 8):
        alone = ask("serving_default", source=[SOURCES[row]])
        assert alone["target"] == [written["target"][row]]
        np.testing.assert_allclose(alone["score"], written["score"][row], atol=1e-4)
    backwards = ask.beam(SOURCES[::-1], 2)["targets"]
    assert backwards[::-1] == ask.beam(SOURCES, 2)["targets"]


def test_numbers_for_strings_compile_under_xla_and_say_the_same(loaded, characters, written):
    source, target = characters
    encoded = source.encode(SOURCES)
    ids = np.zeros((len(SOURCES), 8), "int32")
    for row in range(len(SOURCES)):
        ids[row, : encoded.lengths[row]] = encoded.row(row)
    plain = loaded.signatures["ids"](ids=tf.constant(ids))
    compiled = tf.function(lambda ids: loaded.signatures["ids"](ids=ids), jit_compile=True)(tf.constant(ids))
    np.testing.assert_array_equal(compiled["tokens"], plain["tokens"])
    np.testing.assert_allclose(compiled["score"], plain["score"], atol=1e-4)
    np.testing.assert_allclose(plain["score"], written["score"], atol=1e-4)
    for row, text in zip(plain["tokens"].numpy(), written["target"], strict=True):
        tokens = [token for token in row if token not in (PAD, EOS)]
        assert BOS not in tokens
        if UNK not in tokens:
            assert target.decode([tokens]) == [text]


@pytest.mark.parametrize("text", ["a" * 100_000, "ab " * 33_333], ids=["one word", "many"])
def test_a_text_of_100_000_characters_is_cut_and_answered_within_the_limit(ask, text):
    long, short = (ask("serving_default", source=[one]) for one in (text, text[:8]))
    assert long["target"] == short["target"] and len(long["target"][0]) <= LIMITS.longest
    assert ask("greedy_xla", source=[text])["target"] == short["target"]


def test_no_text_is_longer_than_its_source_allows(ask):
    # A ratio of 1, two tokens more and at most nine.
    for source in ("", "a", "abcd", "abcdefgh"):
        targets = [*ask.sample([source] * 20, seed=0)["target"], *ask.beam([source], 5)["targets"][0]]
        assert max(map(len, targets)) <= min(len(source) + 2, 9)


def operations(saved_model):
    saved = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    names = set()
    for graph in saved.meta_graphs:
        names.update(node.op for node in graph.graph_def.node)
        for function in graph.graph_def.library.function:
            names.update(node.op for node in function.node_def)
    return names


def test_a_model_of_characters_holds_core_operations_only_and_one_of_subwords_those_of_sentencepiece(folder, subwords):
    plain, with_subwords = operations(folder), operations(subwords.saved_model)
    text = {name for name in plain | with_subwords if "entencepiece" in name or "PyFunc" in name}
    assert not text & plain
    assert text == with_subwords & SUBWORD_OPERATIONS == SUBWORD_OPERATIONS
    # Of all others TensorFlow alone has a definition.
    core = set(dir(tf.raw_ops))
    assert not {name for name in (plain | with_subwords) - SUBWORD_OPERATIONS if name not in core}
    for trace in (b".py", b"/home", b"site-packages", str(folder).encode()):
        assert trace not in (folder / "saved_model.pb").read_bytes()


# Subwords


def test_a_model_of_subwords_writes_the_same_by_beam_of_one_by_numbers_and_by_an_empty_prefix(subwords):
    ask, sources = Asked(subwords.signatures), ["the small dog", "", "every old teacher likes a house", "好"]
    written = ask("serving_default", source=sources)
    beams = ask.beam(sources, 1, penalty=0.0)
    assert [row[0] for row in beams["targets"]] == written["target"]
    np.testing.assert_allclose(beams["scores"][:, 0], written["score"], atol=1e-4)
    assert ask("prefix", source=sources, prefix=[""] * 4)["target"] == written["target"]
    begun = ask("prefix", source=sources, prefix=["house"] * 4)["target"]
    assert all(text.startswith("house") for text in begun)
    attention = ask("attention", source=sources)
    for row in range(4):
        tokens = [name for name in attention["target_tokens"][row] if name]
        np.testing.assert_allclose(attention["weights"][row][: len(tokens)].sum(axis=1), 1, atol=1e-5)
    alone = [ask("serving_default", source=[source])["target"][0] for source in sources]
    assert alone == written["target"]


def test_a_model_of_subwords_that_is_loaded_outlives_a_new_seed(subwords):
    # TensorFlow forgets what its cached kernels hold when a seed is set, as every training does.
    before = subwords.predict(["the small dog sees a house"])
    tf.random.set_seed(5)
    assert subwords.predict(["the small dog sees a house"]) == before
