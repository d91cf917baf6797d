"""Speed of training and of decoding beside OpenNMT-tf and CTranslate2, with the same sizes, in one run.

python benchmarks/seq2seq_speed.py [--steps 300] [--minutes 10] [--parts training]

Sizes are those of the peers' settings: Transformer, 3 + 3 layers, d 256, feed-forward 1024, 4 heads, one vocabulary of
4,000 subwords, tied; batches of 3,072 tokens. In decoding every output has 17 tokens on both sides, from untrained
weights on ours: what is computed does not depend on them. Ours is asked with strings and gives strings; the peers
get tokens. In training the first steps, in which graphs are traced, are left out on both sides.

Texts do not all end at once. The part "sentences" trains both sides for the same time, and lets each write the test
file in its order (CTranslate2 sorts it), in batches of 32, each text as long as the model makes it, the peers' at most
80 tokens; a first such pass is left out. The peer's recipe warms up for 1,000 steps, more than it gets in ten minutes:
the figures of quality say how far each model is, not what the recipes reach.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from opennmt import DATA, OpenNmt
from running import scratch, train, write_result

from kerasnlp_kit.data.pairs import read_pairs

VOCABULARY = 4000
BATCH_TOKENS = 3072
LENGTH = 17
BATCH = 32  # of the part "sentences"


def main() -> None:
    """Measures one side after the other, and writes down what is there after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="of the peer, a hundred of which are left out")
    parser.add_argument("--minutes", type=float, default=10, help="of training of each side, for the part sentences")
    parts = ["decoding", "training", "sentences"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    options = parser.parse_args()
    if "sentences" in options.parts:
        write_result("seq2seq_sentences", "Speed of writing, Multi30k en-de", sentences_lines(options.minutes))
    if options.parts == ["sentences"]:
        return
    with tempfile.TemporaryDirectory(prefix="opennmt-") as folder:
        ours = training_speed(Path(folder)) if "training" in options.parts else 0.0
        peer = OpenNmt(Path(folder) / "peer")
        pace = peer.train(options.steps)
        if ours:
            theirs = sum(words * seconds for words, seconds in pace) / sum(seconds for _, seconds in pace)
            lines = ["| training | target tokens/s | times OpenNMT-tf |", "| --- | --- | --- |"]
            lines += [f"| OpenNMT-tf | {theirs:,.0f} | |", f"| kerasnlp_kit | {ours:,.0f} | {ours / theirs:.2f} |"]
            write_result("seq2seq_training_speed", "Speed of training, Multi30k en-de", lines)
        if "decoding" in options.parts:
            write_result("seq2seq_speed", "Speed of decoding, Multi30k en-de", decoding_lines(peer))


def decoding_lines(peer: OpenNmt) -> list[str]:
    """The table of decoding."""
    peer.convert()
    greedy = peer.greedy_speed(32, LENGTH)
    ct2 = peer.ctranslate2_speed()
    decoded, first, shapes = decoding_speed()
    lines = [
        "| decoding, tokens/s | batch 1 | batch 32 | beam 4, batch 1 | beam 4, batch 32 |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines.append(f"| OpenNMT-tf | | {greedy:,.0f} | | |")
    for precision in ("float32", "int8"):
        cells = " | ".join(f"{ct2[precision, beam, batch]:,.0f}" for beam in (1, 4) for batch in (1, 32))
        lines.append(f"| CTranslate2 {precision} | {cells} |")
    for kind in ("plain graph", "XLA"):
        cells = " | ".join(f"{decoded[kind, beam, batch]:,.0f}" for beam in (1, 4) for batch in (1, 32))
        lines.append(f"| kerasnlp_kit, {kind} | {cells} |")
    return [*lines, "", f"First compiled call after loading: {first:.1f} s. Shapes that XLA compiled: {shapes}."]


def sentences_lines(minutes: float) -> list[str]:
    """The table of the test file's texts, each as long as it is."""
    lines = ["| greedy | tokens/s | sentences/s | tokens a sentence | BLEU |", "| --- | --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory(prefix="opennmt-") as place, scratch() as models:
        peer = OpenNmt(Path(place))
        steps, seconds = peer.train_minutes(minutes)
        theirs = peer.greedy_sentences(BATCH)
        peer.convert()
        theirs |= peer.ctranslate2_sentences(BATCH)
        flags = ["--model", "transformer_seq2seq", "--vocabulary", str(VOCABULARY), "--batch-tokens", str(BATCH_TOKENS)]
        flags += ["--minutes", f"{minutes:g}", "--epochs", "5", "--learning-rate", "2e-3"]
        folder = train(DATA.name, flags, Path(models)).folder
        ours = sentences_speed(folder)
    for name, (speed, tokens, texts) in {**theirs, **ours}.items():
        lines.append(f"| {name} | {speed * tokens:,.0f} | {speed:,.1f} | {tokens:.1f} | {bleu(texts):.1f} |")
    said = f"Flags of ours: `{' '.join(flags)}`. OpenNMT-tf: {steps:,} steps in {seconds / 60:.1f} minutes."
    return [*lines, "", said]


def sentences_speed(folder: Path) -> dict[str, tuple[float, float, list[str]]]:
    """Sentences a second, tokens a sentence with the end, and texts, of the SavedModel of a folder, by kind."""
    import tensorflow as tf

    from kerasnlp_kit.api.writer import LoadedWriter

    calls = LoadedWriter(folder).signatures
    texts = list(read_pairs(DATA / "test.csv").sources)
    batches = [tf.constant(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    found = {}
    for name, call in (("plain graph", calls["serving_default"]), ("XLA", calls["greedy_xla"])):
        seconds = []
        for _ in range(4):
            begin = time.perf_counter()
            written = [call(source=batch)["target"].numpy() for batch in batches]
            seconds.append(time.perf_counter() - begin)
        outputs = [text for batch in written for text in batch]
        tokens = calls["score"](source=tf.constant(texts), target=tf.constant(outputs))["tokens"].numpy()
        speed = 3 * len(texts) / sum(seconds[1:])
        found[f"kerasnlp_kit, {name}"] = (speed, float(tokens.mean()), [text.decode() for text in outputs])
    return found


def bleu(texts: list[str]) -> float:
    """Of translations of the test file, lower-cased, as far as there are texts."""
    import sacrebleu

    return sacrebleu.corpus_bleu(texts, [list(read_pairs(DATA / "test.csv").targets)], lowercase=True).score


def training_speed(folder: Path) -> float:
    """Target tokens a second in the second epoch of training, as train.py trains, checkpoints left out."""
    from kerasnlp_kit.training.devices import choose_backend, seed_everything

    choose_backend("tensorflow")
    from kerasnlp_kit.config import OptimizationOptions
    from kerasnlp_kit.models.transformer_seq2seq import TransformerSeq2Seq
    from kerasnlp_kit.registry import PairSizes
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
    from kerasnlp_kit.text.subwords import SubwordTokenizer
    from kerasnlp_kit.training.loop import Extras, train
    from kerasnlp_kit.training.pair_batches import PairBatches

    seed_everything(0)
    known = read_pairs(DATA / "train.csv")
    tokenizer = SubwordTokenizer.fit([*known.sources, *known.targets], VOCABULARY)
    source, target = tokenizer.encode(list(known.sources)), tokenizer.encode(list(known.targets))
    batches = PairBatches(source, target, BATCH_TOKENS, seed=0)
    size = tokenizer.vocabulary_size
    model = TransformerSeq2Seq().build(PairSizes(size, size, True))  # the defaults are the peers' sizes
    ends: list[float] = []

    def look_at_the_clock(weights: object) -> dict[str, float]:
        ends.append(time.perf_counter())
        return {"val_score": 0.0, "val_loss": 0.0}

    options = OptimizationOptions(epochs=2, checkpoint_seconds=0, clip_norm=1.0)
    extras = Extras(measures=look_at_the_clock, average=0.999)
    train(model, batches, None, TokenCrossEntropy(0.1), None, options, folder / "ours", extras=extras)
    return batches.target_tokens / (ends[1] - ends[0])


def decoding_speed() -> tuple[dict[tuple[str, int, int], float], float, int]:
    """Tokens a second by kind, beam and batch; seconds of the first compiled call; shapes that were compiled."""
    import tensorflow as tf

    from kerasnlp_kit.decoding.protocol import Limits
    from kerasnlp_kit.models.transformer_seq2seq import TransformerSeq2Seq
    from kerasnlp_kit.registry import PairSizes
    from kerasnlp_kit.tasks.seq2seq_graph import BATCHES, WIDTHS, Seq2SeqGraph
    from kerasnlp_kit.text.subwords import SubwordTokenizer

    known = read_pairs(DATA / "train.csv")
    tokenizer = SubwordTokenizer.fit([*known.sources, *known.targets], VOCABULARY)
    size = tokenizer.vocabulary_size
    # Every output ends where the limit is.
    limits = Limits(0.0, LENGTH - 1, LENGTH - 1)
    graph = Seq2SeqGraph(
        TransformerSeq2Seq().build(PairSizes(size, size, True)),  # the defaults are the peers' sizes
        tokenizer.graph(),
        tokenizer.graph(),
        limits=limits,
        max_source=64,
        copy_unknown=False,
        beam=4,
        coverage_penalty=0.0,
        xla=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(graph, folder, signatures=graph.signatures())
        model = tf.saved_model.load(folder)
    calls = model.signatures
    texts = list(read_pairs(DATA / "test.csv").sources)
    penalty = tf.constant(0.6)
    ask = {
        ("plain graph", 1): lambda batch: calls["serving_default"](source=batch)["target"],
        ("plain graph", 4): lambda batch: calls["beam"](source=batch, beam_size=tf.constant(4), length_penalty=penalty)[
            "targets"
        ],
        ("XLA", 1): lambda batch: calls["greedy_xla"](source=batch)["target"],
        ("XLA", 4): lambda batch: calls["beam_xla"](source=batch, length_penalty=penalty)["targets"],
    }
    begin = time.perf_counter()
    ask["XLA", 1](tf.constant(texts[:1])).numpy()
    first = time.perf_counter() - begin
    found = {}
    for (kind, beam), call in ask.items():
        for batch in (1, 32):
            some = texts[:100] if batch == 1 else texts
            batches = [tf.constant(some[start : start + batch]) for start in range(0, len(some), batch)]
            for one in batches if kind == "XLA" else batches[:2]:
                call(one).numpy()  # compiles
            begin = time.perf_counter()
            for one in batches:
                call(one).numpy()
            found[kind, beam, batch] = len(some) * LENGTH / (time.perf_counter() - begin)
    lengths = tokenizer.encode(texts).lengths
    shapes = {
        (
            min(b for b in BATCHES if b >= len(lengths[s : s + 32])),
            min(w for w in WIDTHS if w >= lengths[s : s + 32].max()),
        )
        for s in range(0, len(lengths), 32)
    }
    return found, first, len(shapes)


if __name__ == "__main__":
    main()
