"""Quality of translation, Multi30k English to German, after equal time of training, beside OpenNMT-tf.

python benchmarks/multi30k.py [--minutes 55] [--epochs 42] [--peer-minutes 20] [--lower-case] [--ours models/NAME]
    [--length-penalty 1.5]

Ours is trained by train.py with the flags below, and its SavedModel scored on the test file of 2016. The peer has the
settings of shared/peers/opennmt_tf; it is trained for as many steps as take the time. BLEU is that of sacreBLEU on
lower-cased text, as the published figure is (41.02, LividWo/Revisit-MMT), and on the text as it stands. With
--lower-case ours learns from lower-cased text, too, as the published model did. The penalty for length was chosen on
the dev file, by BLEU: of 0.2, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0 and 2.5, 1.5 was the best.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from opennmt import DATA, PACE, OpenNmt
from running import scratch, train, write_result

from kerasnlp_kit.api.writer import LoadedWriter
from kerasnlp_kit.data.pairs import read_pairs

FLAGS = [
    *("--model", "transformer_seq2seq", "--vocabulary", "4000"),
    *("--layers", "4", "--d-model", "128", "--heads", "4", "--feed-forward", "256", "--dropout", "0.3"),
    *("--batch-tokens", "3072", "--learning-rate", "4e-3", "--schedule", "cosine", "--warmup", "0.08"),
    *("--patience", "42", "--average-epochs", "1.5"),
]
MARKS = (5, 10, 20, 30, 60)  # minutes at which the peer is scored, as far as it gets


def main() -> None:
    """Trains, translates and scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=55)
    parser.add_argument("--epochs", type=int, default=42)
    parser.add_argument("--peer-minutes", type=float, default=0, help="0 leaves the peer out")
    parser.add_argument("--lower-case", action="store_true", help="of what ours learns from and is asked")
    parser.add_argument("--length-penalty", type=float, default=1.5, help="of the beam search")
    parser.add_argument("--ours", help="folder of a model that was trained by these flags before")
    options = parser.parse_args()
    flags = [*FLAGS, "--epochs", str(options.epochs), "--length-penalty", f"{options.length_penalty:g}"]
    if options.ours:
        flags = ["those of the run.json of", options.ours]
    lines = [
        "| | minutes of training | search | BLEU, lower-cased | BLEU | chrF |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with scratch() as models, tempfile.TemporaryDirectory(prefix="opennmt-") as place:
        data = lowered(Path(models)) if options.lower_case else DATA
        pairs = read_pairs(data / "test.csv")
        sources, references = list(pairs.sources), list(pairs.targets)
        folder = Path(options.ours) if options.ours else None
        if folder is None:
            folder = train(str(data), [*flags, "--minutes", str(options.minutes)], Path(models)).folder
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        training = run["parts"][0]["training"]
        writer = LoadedWriter(folder)
        for search, beam in (("greedy", 1), ("beam 5", 5)):
            outputs = writer.predict(sources, beam=beam, length_penalty=options.length_penalty)
            lines.append(row("kerasnlp_kit", training["seconds"] / 60, search, outputs, references))
        course: list[str] = []
        if options.peer_minutes:
            history = training["history"]["val_score"]
            course = ["", "| minutes of training | chrF on dev, greedy | OpenNMT-tf |", "| --- | --- | --- |"]
            for minutes, outputs, on_dev in peer_outputs(Path(place), options.peer_minutes):
                as_ours = [text.lower() if options.lower_case else text for text in outputs]
                lines.append(row("OpenNMT-tf", minutes, "beam 5", as_ours, references))
                # The last epoch that had ended by then.
                epoch = int(minutes * 60 / training["seconds"] * len(history))
                ours = f"{history[epoch - 1]:.1f}" if 0 < epoch <= len(history) else ""
                course.append(f"| {minutes:.1f} | {ours} | {on_dev:.1f} |")
    lines += course
    epochs = len(training["history"]["loss"])
    tokens = epochs * training["target_tokens_an_epoch"] / training["seconds"]
    lines += [
        "",
        f"Flags of ours: `{' '.join(flags)}`. {epochs} epochs, best {training['best_epoch']}; {tokens:,.0f} target",
    ]
    lines[-1] += f" tokens a second, the dev texts of each epoch included. {signature()}"
    name, title = "multi30k", "Translation, Multi30k en-de, test 2016"
    if options.peer_minutes:
        name, title = f"{name}_equal_time", f"{title}, after equal time of training"
    if options.lower_case:
        name, title = f"{name}_lower_case", f"{title}, in lower case"
    write_result(name, title, lines)


def lowered(place: Path) -> Path:
    """A folder with the same files, all in lower case."""
    folder = place / "lower_case"
    folder.mkdir()
    for file in DATA.glob("*.csv"):
        header, _, rows = file.read_text(encoding="utf-8").partition("\n")
        (folder / file.name).write_text(f"{header}\n{rows.lower()}", encoding="utf-8")
    return folder


def peer_outputs(place: Path, minutes: float) -> list[tuple[float, list[str], float]]:
    """Minutes of training, translations, and chrF on dev of the checkpoints nearest to each mark."""
    import sacrebleu

    dev = list(read_pairs(DATA / "dev.csv").targets)
    peer = OpenNmt(place)
    step = peer.step_seconds()
    steps = max(int(minutes * 60 / step) - PACE, 50)
    every = max(50, steps // 20)
    begin = time.perf_counter()
    peer.train(PACE + steps, every)
    step = (time.perf_counter() - begin) / steps  # with saving
    found = []
    marks = [mark for mark in MARKS if mark < minutes] + [minutes]
    checkpoints = {int(path.name.partition("-")[2]) * step / 60: path for path in peer.checkpoints()}
    for mark in marks:
        nearest = min(checkpoints, key=lambda spent: abs(spent - mark))
        chrf = sacrebleu.corpus_chrf(peer.translate(checkpoints[nearest], 1, "dev"), [dev]).score
        found.append((nearest, peer.translate(checkpoints[nearest], 5), chrf))
    return found


def row(name: str, minutes: float, search: str, outputs: list[str], references: list[str]) -> str:
    """A line of the table."""
    import sacrebleu

    lower = sacrebleu.corpus_bleu(outputs, [references], lowercase=True).score
    bleu, chrf = sacrebleu.corpus_bleu(outputs, [references]).score, sacrebleu.corpus_chrf(outputs, [references]).score
    return f"| {name} | {minutes:.1f} | {search} | {lower:.1f} | {bleu:.1f} | {chrf:.1f} |"


def signature() -> str:
    """sacreBLEU's own words for what is computed."""
    from sacrebleu.metrics import BLEU

    both = []
    for lowercase in (True, False):
        metric = BLEU(lowercase=lowercase)
        metric.corpus_score(["a b c d"], [["a b c d"]])
        both.append(str(metric.get_signature()))
    return f"Signatures: {both[0]} and {both[1]}."


if __name__ == "__main__":
    main()
