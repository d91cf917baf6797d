"""What all steps of a run share."""

from dataclasses import dataclass, field
from typing import Any

from kerasnlp_kit import registry
from kerasnlp_kit.api.places import Places
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.export.folder import ModelFolder


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        config: all options.
        spec: the model.
        places: folders.
        earlier: the model to start from.
        resume: whether an unfinished run is continued.
        say: told what goes on, line by line.
        record: content of run.json, as far as it is known.
    """

    config: RunConfig
    spec: registry.ModelSpec
    places: Places
    earlier: ModelFolder | None
    resume: bool
    say: Say
    record: dict[str, Any] = field(default_factory=dict)

    def write_record(self) -> None:
        """Writes run.json as it stands."""
        self.places.work.write_json("run.json", self.record)
