"""Language models and autoencoders on the English captions of Multi30k, beside Kneser-Ney; one on Chinese sentences.

python benchmarks/language.py [--parts causal_lm feedforward_lm lstm text_vae vae_gan adversaries chinese speed]

All learn the same tokens: words that occur twice or more, as they are written; the n-gram models, too. Perplexities are
by word on the test file, the end of a caption counted as a word, of the exported SavedModel; those of autoencoders are
bounds by 50 vectors a caption. Reverse perplexity: of a 3-gram model that learnt from 10,000 drawn captions, beside one
that learnt from 10,000 real ones. Speed: a text of 200 tokens with the cache, by running the network again over all 200
places for each token, and by running it again over those written so far. Chinese: the target side of tatoeba_en_zh in
subwords; of a thousand drawn sentences and of the real ones it is counted how many end as a sentence does, and how many
have Chinese characters and no letters of others. Adversaries: a discriminator beside the divergence or in its place, on
fewer captions, scored by 2,000 drawn ones. Results of parts that are not asked for stay.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from running import RESULTS, SHARED, evaluate, machine, scratch, train, write_result

from kerasnlp_kit.data import read_table

TRANSFORMER = ["--layers", "2", "--d-model", "256", "--feed-forward", "1024"]
# Chosen on dev rows: the free bits keep the divergence at 3.2 nats, and then word dropout only costs: vae_gan has
# 3.40 nats a token at most with a tenth and an adversary of weight 1, 3.44 with weight 5, 3.38 without and weight 2.
LATENT = ["--anneal-steps", "600", "--free-bits", "0.1", "--word-dropout", "0"]
FLAGS = {
    "causal_lm": ["--model", "causal_lm", *TRANSFORMER, "--learning-rate", "2e-3"],
    "feedforward_lm": ["--model", "feedforward_lm"],
    "lstm": ["--model", "causal_lm", "--preset", "lstm", "--d-model", "256"],
    "text_vae": ["--model", "text_vae", *LATENT],
    "vae_gan": ["--model", "vae_gan", *LATENT, "--adversary-weight", "2"],
}
COMMON = ["--text-column", "source", "--tokenizer", "words", "--batch-tokens", "2048"]
CHINESE = ["--model", "causal_lm", *TRANSFORMER, "--learning-rate", "2e-3", "--text-column", "target"]
SMALL = [
    *("--units", "128", "--embedding-dim", "128"),
    *("--anneal-steps", "200", "--free-bits", "0.1", "--word-dropout", "0"),
]
ADVERSARIES = {
    "divergence alone": ["--model", "text_vae"],
    "both, weight 2": ["--model", "vae_gan", "--adversary-weight", "2"],
    "discriminator alone, weight 2": ["--model", "vae_gan", "--kl-weight", "0", "--adversary-weight", "2"],
    "discriminator alone, weight 10": ["--model", "vae_gan", "--kl-weight", "0", "--adversary-weight", "10"],
}
FEW = 6000  # captions of these
SAMPLES = 10_000
VECTORS = 50
LENGTH = 200
STORE = RESULTS / "language.json"


def main() -> None:
    """Trains each, scores it, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    alone = {"adversaries": adversaries, "chinese": chinese, "speed": speed}
    parts = [*FLAGS, *alone]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=15, help="of training each, at most")
    options = parser.parse_args()
    found = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    for name in options.parts:
        limits = ["--epochs", str(options.epochs), "--minutes", f"{options.minutes:g}"]
        found[name] = measure(name, limits) if name in FLAGS else alone[name](limits)
        found[name]["machine"] = machine()
        RESULTS.mkdir(exist_ok=True)
        STORE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        write_result("language", "Language models and autoencoders, Multi30k English", lines_of(found))


def measure(name: str, limits: list[str]) -> dict:
    """Scores of one model on the test file."""
    autoencoder = name in ("text_vae", "vae_gan")
    flags = [*FLAGS[name], *COMMON, *limits]
    with scratch() as models:
        run = train("multi30k_en_de", [*flags, "--samples", str(SAMPLES if autoencoder else 0)], Path(models))
        scores = list(run.metrics.values())[-1]
        if autoencoder:
            known = str(SHARED / "data" / "multi30k_en_de" / "train.csv")
            closer = evaluate(run, "multi30k_en_de", ["--vectors", str(VECTORS), "--trained-on", known])
            # What was drawn, and the discriminator, are of the run.
            scores = closer | {each: scores[each] for each in ("generated", "latent")}
    training = run.run["parts"][0]["training"]
    return {
        "flags": flags,
        "seconds": run.wall,
        "training_seconds": training["seconds"],
        "epochs": len(training["history"]["loss"]),
        "parameters": training["parameters"],
        "scores": scores,
    }


def chinese(limits: list[str]) -> dict:
    """Perplexities of a model that learnt Chinese sentences, and how well formed what it writes is."""
    data, flags = "tatoeba_en_zh", [*CHINESE, *limits]
    with scratch() as models:
        run = train(data, [*flags, "--samples", "1000"], Path(models))
        from kerasnlp_kit.api.generator import LoadedGenerator

        drawn = LoadedGenerator(run.folder).generate(count=1000, seed=1)
    real = read_table(SHARED / "data" / data / "test.csv", ["target"]).data["target"].to_pylist()
    scores = list(run.metrics.values())[-1]
    formed = {"generated": well_formed(drawn), "real": well_formed(real)}
    return {"flags": flags, "seconds": run.wall, "scores": scores, "formed": formed, "samples": drawn[:8]}


def well_formed(texts: list[str]) -> dict[str, float]:
    """Shares of the texts that end as a sentence does, and that are written in Chinese characters alone."""
    ended = [bool(re.search("[。！？…][”」』]?$", text)) for text in texts]
    alone = [bool(re.search("[\u4e00-\u9fff]", text)) and not re.search("[A-Za-zＡ-Ｚａ-ｚ]", text) for text in texts]
    return {"ended": sum(ended) / len(texts), "characters": sum(alone) / len(texts)}


def adversaries(limits: list[str]) -> dict:
    """What a discriminator does beside the divergence, and in its place."""
    scores = {}
    for name, flags in ADVERSARIES.items():
        with scratch() as models:
            given = [*flags, *SMALL, *COMMON, *limits, "--samples", "2000"]
            scores[name] = list(train("multi30k_en_de", given, Path(models), FEW).metrics.values())[-1]
    return {"scores": scores, "limits": limits}


def speed(_: list[str]) -> dict:
    """Seconds for a text of LENGTH tokens with the cache of the decoder, and without it in two ways."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    from kerasnlp_kit.constants import BOS
    from kerasnlp_kit.models.causal_lm import CausalLm
    from kerasnlp_kit.registry import TextSizes

    network = CausalLm(layers=2, d_model=256, heads=4, feed_forward=1024).build(TextSizes(6000, 256))

    @tf.function
    def cached() -> tf.Tensor:
        memory = tf.zeros([1, 1], tf.int32)
        cache = network.start(memory, 1, LENGTH)
        last, position = tf.fill([1, 1], BOS), tf.constant(0)

        def step(position: Any, last: Any, cache: Any) -> tuple[Any, Any, Any]:
            logits, cache, _ = network.step(last, position, memory, cache)
            return position + 1, tf.argmax(logits, axis=-1, output_type=tf.int32), cache

        return tf.while_loop(lambda position, *_: position < LENGTH, step, (position, last, cache))[1]

    def without(written: Callable) -> tf.Tensor:
        tokens = tf.concat([tf.fill([1, 1], BOS), tf.zeros([1, LENGTH - 1], tf.int32)], axis=1)

        def step(position: Any, tokens: Any) -> tuple[Any, Any]:
            logits = network(written(tokens, position), training=False)
            token = tf.argmax(logits[:, position], axis=-1, output_type=tf.int32)
            after = tf.one_hot(position + 1, LENGTH, dtype=tf.int32) * token[:, None]
            return position + 1, tokens + after

        return tf.while_loop(lambda position, _: position < LENGTH - 1, step, (tf.constant(0), tokens))[1]

    again = tf.function(lambda: without(lambda tokens, position: tokens))
    growing = tf.function(lambda: without(lambda tokens, position: tokens[:, : position + 1]))
    seconds = {}
    for name, function in (("cached", cached), ("again", again), ("growing", growing)):
        function()
        begin = time.perf_counter()
        for _round in range(3):
            function().numpy()
        seconds[name] = (time.perf_counter() - begin) / 3
    return {"seconds": seconds}


def lines_of(found: dict) -> list[str]:
    """The tables."""
    lines = [
        "| model | word perplexity | Kneser-Ney 3-grams | 5-grams | below the 5-grams | epochs | whole process |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    english = {name: one for name, one in found.items() if name in FLAGS}
    for name, one in english.items():
        scores = one["scores"]
        others = {label: other["perplexity"] for label, other in scores["comparisons"].items()}
        three, five = others["Kneser-Ney 3-grams"], others["Kneser-Ney 5-grams"]
        most = "at most " if scores["means"] == "bound" else ""
        below = f"{1 - scores['perplexity'] / five:.1%}"
        lines.append(
            f"| {name} | {most}{scores['perplexity']:.2f} | {three:.2f} | {five:.2f} | {below} | {one['epochs']} | "
            f"{one['seconds']:.0f} s |"
        )
    trained = {name: one["scores"] for name, one in english.items()}
    generated = {name: scores["generated"] for name, scores in trained.items() if scores["generated"]}
    if generated:
        lines += ["", "| samples of | reverse perplexity | of real captions | times | distinct-2 | real | copied |"]
        lines.append("| --- " * 7 + "|")
        for name, one in generated.items():
            ours, real = one["generated"], one["real"]
            reverse = (ours["reverse_perplexity"], real["reverse_perplexity"])
            lines.append(
                f"| {name} ({one['texts']:,}) | {reverse[0]:.2f} | {reverse[1]:.2f} | {reverse[0] / reverse[1]:.2f} | "
                f"{ours['distinct_2']:.3f} | {real['distinct_2']:.3f} | {one['copied']:.1%} |"
            )
    latent = {name: scores["latent"] for name, scores in trained.items() if scores.get("latent")}
    if latent:
        lines += [
            "",
            "| | nats, at most | by one vector | divergence | active units | mutual information | exact | BLEU |",
        ]
        lines.append("| --- " * 8 + "|")
        if "lstm" in found:
            scores = found["lstm"]["scores"]
            lines.append(f"| lstm (language model) | {-scores['log_probability'] / scores['n']:.2f} | | | | | | |")
        for name, one in latent.items():
            scores = found[name]["scores"]
            lines.append(
                f"| {name} | {-scores['log_probability'] / scores['n']:.2f} | "
                f"{one['reconstruction'] + one['divergence']:.2f} | {one['divergence']:.2f} | "
                f"{one['active_units']} of {one['latent']} | {one['mutual_information']:.2f} | {one['exact']:.1%} | "
                f"{one['bleu']:.1f} |"
            )
            if one["discriminator"] is not None:
                lines.append(f"| {name}, discriminator's accuracy | {one['discriminator']:.1%} | | | | | | |")
    if "speed" in found:
        seconds = found["speed"]["seconds"]
        lines += [
            "",
            f"A text of {LENGTH} tokens: {seconds['cached']:.2f} s with the cache; {seconds['again']:.2f} s by running "
            f"all {LENGTH} places again for each, {seconds['again'] / seconds['cached']:.1f} times as long; "
            f"{seconds['growing']:.2f} s by running those so far again, "
            f"{seconds['growing'] / seconds['cached']:.1f} times.",
        ]
    if "adversaries" in found:
        lines += ["", *adversary_lines(found["adversaries"])]
    if "chinese" in found:
        lines += ["", *chinese_lines(found["chinese"])]
    runs = [(name, one) for name, one in found.items() if "flags" in one]
    return [*lines, "", *(f"{name}: `{' '.join(one['flags'])}`, seed 0, {one['machine']}." for name, one in runs)]


def adversary_lines(one: dict) -> list[str]:
    """What drives the vectors to the prior: how near they come, what they carry, what is drawn."""
    names = ("divergence", "mutual information", "discriminator's accuracy", "reverse perplexity", "of real captions")
    lines = [f"| {FEW:,} captions, `{' '.join([*SMALL, *one['limits']])}` | {' | '.join(names)} |", "| --- " * 6 + "|"]
    for name, scores in one["scores"].items():
        latent, generated = scores["latent"], scores["generated"]
        told, judged = latent["mutual_information"], latent["discriminator"]
        cells = [f"{latent['divergence']:.2f}", "" if told is None else f"{told:.2f}"]
        cells += ["" if judged is None else f"{judged:.1%}"]
        cells += [f"{generated[kind]['reverse_perplexity']:.2f}" for kind in ("generated", "real")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def chinese_lines(one: dict) -> list[str]:
    """Of the Chinese model, with a few of its sentences."""
    scores, formed, generated = one["scores"], one["formed"], one["scores"]["generated"]
    others = ", ".join(f"{label} {other['perplexity']:.2f}" for label, other in scores["comparisons"].items())
    reverse = [generated[kind]["reverse_perplexity"] for kind in ("generated", "real")]
    lines = [f"Chinese: perplexity by {scores['unit']} {scores['perplexity']:.2f} ({others})."]
    for what, name in (("ended", "end as a sentence does"), ("characters", "are in Chinese characters alone")):
        ours, theirs = (f"{formed[kind][what]:.1%}" for kind in ("generated", "real"))
        lines.append(f"Of a thousand drawn sentences {ours} {name} (of real ones {theirs}).")
    lines.append(f"Reverse perplexity: {reverse[0] / reverse[1]:.2f} times that of real ones. The first of them:")
    return [*lines, "", *(f"- {text}" for text in one["samples"])]


if __name__ == "__main__":
    main()
