"""Trains each model that is no single network: python train_composites.py FILE FOLDER; writes FOLDER/reports.json."""

import dataclasses
import json
import sys
from pathlib import Path

import kerasnlp_kit as kit
from kerasnlp_kit import registry

TRAINING = {"epochs": 4, "patience": 4, "learning_rate": 0.03, "batch_size": 16}


def small(spec: registry.ModelSpec) -> dict:
    """Options of a small model: numbers of things at most 6, no dropout, of several rungs the first."""
    options = {}
    for field in dataclasses.fields(spec.architecture):
        if field.name.endswith("dropout"):
            options[field.name] = 0.0
        elif type(field.default) is int:
            options[field.name] = min(field.default, 6)
        elif field.name == "rungs":
            options[field.name] = field.default[:1]
    return {**options, **TRAINING} if spec.kind == "parts" else options


def main(data: str, folder: Path) -> None:
    reports = {}
    for spec in registry.available():
        if spec.kind == "build":
            continue
        said: list[str] = []
        trained = kit.train(data, model=spec.name, name=spec.name, models=folder, say=said.append, **small(spec))
        (metrics,) = trained.metrics.values()
        reports[spec.name] = {"accuracy": metrics.accuracy, "said": said}
    (folder / "reports.json").write_text(json.dumps(reports))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
