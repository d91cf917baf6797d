"""What tests of several rooms share."""

import csv
import os
import random
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TOPICS = {
    "food": ("soup", "bread", "cook", "plate"),
    "music": ("song", "band", "drum", "tune"),
    "sport": ("goal", "team", "match", "score"),
}
FILLERS = ("the", "a", "of", "and", "with")


def write_topics(path: Path, rows: int, labels: tuple[str, ...] = tuple(TOPICS), seed: int = 0) -> Path:
    """Writes a CSV of texts that name their topic once or more: 1 to 9 words, columns text and label."""
    source = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            label = labels[number % len(labels)]
            words = TOPICS.get(label, (label,))
            text = [source.choice(words), *source.choices(words + FILLERS, k=source.randint(0, 8))]
            source.shuffle(text)
            writer.writerow([" ".join(text), label])
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The folder of a small finished model for the three topics; not to be changed."""
    import kerasnlp_kit

    folder = tmp_path_factory.mktemp("trained")
    options = {"embedding_dim": 6, "filters": 5, "kernels": (1, 2), "batch_size": 16, "learning_rate": 0.02}
    data = write_topics(folder / "topics.csv", 150)
    return kerasnlp_kit.train(data, epochs=4, models=folder / "models", name="topics", **options).folder
