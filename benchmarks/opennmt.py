"""OpenNMT-tf and CTranslate2, the peers in translation, in an environment of their own.

The scripts and settings are those of shared/peers/opennmt_tf, but for what the methods say. To install them, once:

    python3.11 -m venv .venvs/opennmt
    .venvs/opennmt/bin/pip install "OpenNMT-tf[tensorflow]" ctranslate2 sentencepiece "setuptools<81"
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml
from running import ROOT, SHARED

PLACE = ROOT / ".venvs" / "opennmt" / "bin"
PEERS = SHARED / "peers"
DATA = SHARED / "data" / "multi30k_en_de"
PACE = 150  # steps by which its pace is measured
LONGEST = 80  # tokens; no text is longer, and a model that knows little yet would go on to 250 for each


class OpenNmt:
    """A folder in which OpenNMT-tf learns Multi30k, English to German.

    Args:
        folder: where to work; it is made.
    """

    def __init__(self, folder: Path) -> None:
        if not (PLACE / "onmt-main").exists():
            sys.exit(f"There is no OpenNMT-tf in {PLACE}; opennmt.py says how to install it.")
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for path in (PEERS / "opennmt_tf").iterdir():
            shutil.copy(path, folder)
        self._run("python", "prepare.py", DATA)
        vocabulary = ("--from_vocab", "sp.vocab", "--from_format", "sentencepiece", "--save_vocab", "onmt.vocab")
        self._run("onmt-build-vocab", *vocabulary)

    def train(self, steps: int, save_every: int | None = None) -> list[tuple[float, float]]:
        """Trains up to a step; target tokens a second and seconds of every fifty steps, the first hundred left out."""
        settings = self._settings(save_checkpoints_steps=save_every or steps, keep_checkpoint_max=1000, max_step=steps)
        said = self._run("onmt-main", "--model", "model.py", "--config", settings, "--auto_config", "train")
        return [(float(words), 50 / float(pace)) for pace, words in self._pace(said)][2:]

    def greedy_speed(self, batch: int, tokens: int) -> float:
        """Tokens a second in greedy decoding, every output forced to so many tokens."""
        forced = {"minimum_decoding_length": tokens, "maximum_decoding_length": tokens}
        said = self._infer("test.sp.en", batch, beam_width=1, **forced)
        return float(re.findall(r"Tokens per second: ([\d.]+)", said)[-1])

    def step_seconds(self) -> float:
        """Seconds of a step, of the first `PACE` but for the hundred that are left out; it trains on from there."""
        pace = self.train(PACE)
        return sum(seconds for _, seconds in pace) / len(pace) / 50

    def train_minutes(self, minutes: float) -> tuple[int, float]:
        """Trains for about so long; returns the steps and the seconds that they took."""
        step = self.step_seconds()
        steps = max(int(minutes * 60 / step), PACE + 50)
        begin = time.perf_counter()
        self.train(steps)
        return steps, PACE * step + time.perf_counter() - begin

    def greedy_sentences(self, batch: int) -> dict[str, tuple[float, float, list[str]]]:
        """Sentences a second, tokens a sentence with the end, and texts, by name, in greedy decoding of the test file.

        It reads the file once, and then four times over: the difference is that of three passes without the start.
        """
        lines = (self.folder / "test.sp.en").read_text(encoding="utf-8")
        seconds = []
        for times in (1, 4):
            (self.folder / "repeated.txt").write_text(lines * times, encoding="utf-8")
            said = self._infer("repeated.txt", batch, beam_width=1, maximum_decoding_length=LONGEST)
            seconds.append(float(re.findall(r"Total prediction time \(s\): ([\d.]+)", said)[-1]))
        written = self._written()[: len(lines.splitlines())]
        return {"OpenNMT-tf": (3 * len(written) / (seconds[1] - seconds[0]), _tokens(written), _texts(written))}

    def ctranslate2_sentences(self, batch: int) -> dict[str, tuple[float, float, list[str]]]:
        """Likewise, by CTranslate2, which sorts the texts; the model is that of `convert`."""
        found = {}
        for precision in ("float32", "int8"):
            arguments = ("test.sp.en", "out.txt", precision, batch, LONGEST)
            speed = float(self._run("python", Path(__file__).parent / "ctranslate2_sentences.py", *arguments))
            written = self._written()
            found[f"CTranslate2 {precision}"] = (speed, _tokens(written), _texts(written))
        return found

    def translate(self, checkpoint: Path, beam: int, part: str = "test") -> list[str]:
        """Texts for the test file, or the dev file, by a checkpoint."""
        params = {"beam_width": beam, "length_penalty": 0.6, "maximum_decoding_length": LONGEST}
        self._infer(f"{part}.sp.en", 64, "--checkpoint_path", checkpoint, **params)
        return _texts(self._written())

    def checkpoints(self) -> list[Path]:
        """Paths of the checkpoints, by step."""
        found = {int(path.stem.partition("-")[2]): path for path in (self.folder / "run").glob("ckpt-*.index")}
        return [found[step].with_suffix("") for step in sorted(found)]

    def convert(self) -> None:
        """To CTranslate2."""
        where = ("--model_path", "run", "--config", "train.yml", "--model_type", "model.py", "--output_dir", "ct2")
        self._run("ct2-opennmt-tf-converter", *where, "--force")

    def ctranslate2_speed(self) -> dict[tuple[str, int, int], float]:
        """Tokens a second by precision, beam and batch, every output forced to 17 tokens."""
        said = self._run("python", PEERS / "ctranslate2_decoding.py", "test.sp.en")
        found = re.findall(r"(\w+) beam (\d+) batch (\d+): (\d+) tokens/s", said)
        return {(precision, int(beam), int(batch)): float(speed) for precision, beam, batch, speed in found}

    def _infer(self, source: str, batch: int, *flags: object, **params: object) -> str:
        """Writes for the lines of a file, to out.txt; returns what was said, times among it."""
        settings = self._settings(params=params, infer={"batch_size": batch})
        features = ("--features_file", source, "--predictions_file", "out.txt", "--log_prediction_time")
        return self._run("onmt-main", "--model", "model.py", "--config", settings, *flags, "infer", *features)

    def _written(self) -> list[str]:
        """The lines of out.txt: tokens, with blanks between."""
        return (self.folder / "out.txt").read_text(encoding="utf-8").splitlines()

    def _settings(self, params: dict | None = None, infer: dict | None = None, **train: object) -> Path:
        settings = yaml.safe_load((self.folder / "train.yml").read_text(encoding="utf-8"))
        settings["train"].update(train)
        settings["params"].update(params or {})
        settings["infer"] = infer or {}
        path = self.folder / "settings.yml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return path

    def _pace(self, said: str) -> list[tuple[str, str]]:
        return re.findall(r"steps/s = ([\d.]+), tokens/s = \d+ \(\d+ source, (\d+) target\)", said)

    def _run(self, program: str, *arguments: object) -> str:
        hidden = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
        command = [str(PLACE / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | hidden,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
        return done.stdout


def _texts(lines: list[str]) -> list[str]:
    """Of tokens."""
    return [line.replace(" ", "").replace("▁", " ").strip() for line in lines]


def _tokens(lines: list[str]) -> float:
    """In a line, on the average, the end among them."""
    return sum(len(line.split()) + 1 for line in lines) / len(lines)
