"""What all steps of a run share, and what it comes to."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kerasnlp_kit import registry
from kerasnlp_kit.api.places import Places
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.config import BaseConfig, option_fields
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.ladder import Rung
from kerasnlp_kit.export.folder import ModelFolder, manifest_digest
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.plain import to_plain
from kerasnlp_kit.rules import unread

if TYPE_CHECKING:
    from kerasnlp_kit.data.examples import Examples
    from kerasnlp_kit.data.pairs import Pairs

CHOSEN_BY_DEV = "also chose whatever there was to choose, such as the best epoch; --test FILE gives figures apart"
Config = TypeVar("Config", bound=BaseConfig)


@dataclass(frozen=True)
class Run(Generic[Config]):
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

    config: Config
    spec: registry.ModelSpec
    places: Places
    earlier: ModelFolder | None
    resume: bool
    say: Say
    record: dict[str, Any] = field(default_factory=dict)

    def write_record(self) -> None:
        """Writes run.json as it stands."""
        self.places.work.write_json("run.json", self.record)

    def closing_facts(self, seconds: float, *, tested: bool) -> dict[str, str]:
        """What the report and the card say at the end of every run.

        Args:
            seconds: that the whole run took.
            tested: whether there was a test file.
        """
        figures = {} if tested else {"figures": f"of dev rows, which {CHOSEN_BY_DEV}"}
        return {
            **figures,
            "whole run": f"{seconds:.0f} s",
            "SavedModel": f"{self.places.work.size() / 1e6:.1f} MB",
        }

    def take_record(self, files: "Mapping[str, Examples | Pairs | None]") -> None:
        """Takes run.json from the unfinished run.

        Args:
            files: what was read now, by the name of its option.

        Raises:
            UserError: they are not what they were when the run began; nor is the model it started from.
        """
        record = self.places.work.run()
        for name, now in files.items():
            before = record["data"].get(name) or {}
            if now is not None and (before.get("fingerprint"), before.get("rows")) != (now.fingerprint, len(now)):
                source = before.get("source", flag_of(name))
                raise UserError(f"{source} is not what it was when the run began; start it anew.")
        if self.earlier and record["ancestry"][0]["manifest"] != manifest_digest(self.earlier):
            raise UserError(f"{self.earlier.path} is not the model that the run began from; start it anew.")
        self.record.update(record)

    def say_unread(self) -> None:
        """Tells of options that were given and change nothing."""
        given = self.config.flat()
        defaults = {one.name: one.default for one in option_fields(self.spec.task, self.spec.architecture)}
        defaults |= self.spec.defaults
        for idle, names, why in unread(self.config):
            flags = [flag_of(name) for name in names if idle and given[name] != to_plain(defaults[name])]
            if flags:
                self.say(f"note: nothing is changed by {', '.join(flags)}: {why}.")

    def begin_export(self) -> None:
        """Writes run.json, which the export reads; earlier SavedModels come along where a version is added."""
        final, work = self.places.final.path, self.places.work.path
        if self.config.output.new_version and final.exists():  # type: ignore[attr-defined]  # all configs have it
            shutil.copytree(final / "saved_model", work / "saved_model", dirs_exist_ok=True)
        self.write_record()
        self.say("Exporting the SavedModel, then asking it in a fresh process ...")


@dataclass(frozen=True)
class TrainedModel:
    """What a run made.

    Attributes:
        folder: models/NAME.
        saved_model: models/NAME/saved_model/VERSION.
        report: models/NAME/report.html.
        metrics: by the name of the data; the last one is that of the test file, if given. Those of the test file are of
            the SavedModel itself. So are those of the dev rows, unless it was trained on them too in the end: then they
            are of the model before that.
        scores: the same, with comparisons and what the thresholds mean.
        load: Python that loads the model.
        ladder: what ``auto`` tried.
        seconds: of the whole run.
    """

    folder: Path
    saved_model: Path
    report: Path
    metrics: Mapping[str, Any]
    scores: Mapping[str, Any]
    load: str
    seconds: float
    ladder: tuple[Rung, ...] = ()
