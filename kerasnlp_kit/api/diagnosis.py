"""What the data doctor found: on the terminal, and as files."""

import json
import os
import re
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.findings import Finding
from kerasnlp_kit.data.writing import atomic_write, require_free_place, write_table
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.terminal import fit, printable
from kerasnlp_kit.paths import home_filled_in

FINDINGS = "findings.json"

_WIDTH = 116
_EXAMPLES = 3  # rows of a finding on the terminal
_TEXT_WIDTH = 66
_BEFORE = 12  # characters that two texts have in common


@dataclass(frozen=True)
class Diagnosis:
    """What was found in the files of a data set.

    Attributes:
        examples: The files as read, the training file first.
        names: What each file is called in the findings.
        findings: What was found, most serious first.
    """

    examples: tuple[Examples, ...]
    names: tuple[str, ...]
    findings: tuple[Finding, ...]

    def table(self) -> str:
        """Returns the findings as a text for the terminal, each with some of its rows; no final newline."""
        if not self.findings:
            return "Nothing was found."
        return "\n".join(line for finding in self.findings for line in _lines(finding))

    def to_json(self) -> dict[str, Any]:
        """Returns what findings.json holds: files and findings with counts, but no texts."""
        files = [
            {
                "name": name,
                "source": one.source,
                "rows": len(one),
                "labels": len(one.label_names),
                "columns": {"text": list(one.columns.text), "labels": list(one.columns.labels)},
                "fingerprint": one.fingerprint,
                "notes": list(one.notes),
            }
            for name, one in zip(self.names, self.examples, strict=True)
        ]
        findings = [
            {
                "name": finding.name,
                "severity": finding.severity,
                "count": finding.count,
                "headline": finding.headline,
                "advice": finding.advice,
                "rows": finding.rows,
                "file": f"{finding.name}.csv",
            }
            for finding in self.findings
        ]
        return {"format": 1, "files": files, "findings": findings}

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes the rows of each finding as a CSV that a spreadsheet may open, and findings.json.

        The CSV files of an earlier diagnosis in this folder are replaced; other files stay.

        Raises:
            UserError: a file cannot be written.
        """
        folder = home_filled_in(folder)
        require_folder(folder)
        earlier = _earlier_findings(folder)
        for finding in self.findings:
            write_table(folder / f"{finding.name}.csv", finding.table, spreadsheet_safe=True)
        # What is no longer found must not be looked at.
        for name in earlier - {finding.name for finding in self.findings}:
            (folder / f"{name}.csv").unlink(missing_ok=True)
        with atomic_write(folder / FINDINGS) as unfinished:
            content = json.dumps(self.to_json(), ensure_ascii=False, indent=2)
            # A file name that is no UTF-8 holds what JSON writes as \\udc80 to \\udcff.
            unfinished.write_text(content + "\n", encoding="utf-8", errors="backslashreplace")


def require_folder(folder: str | os.PathLike[str]) -> None:
    """Checks that `Diagnosis.write` may write to a folder, to be asked before long work.

    Raises:
        UserError: it is a file, holds something other than an earlier diagnosis, or is where none may write.
    """
    folder = home_filled_in(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: expected a folder to write to, this is a file.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FINDINGS).is_file():
        raise UserError(f"{folder}: is not empty and holds no earlier {FINDINGS}. Name a new folder.")
    require_free_place(folder / FINDINGS)


def _earlier_findings(folder: Path) -> set[str]:
    """Names of the CSV files that an earlier findings.json lists."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        listed = json.loads((folder / FINDINGS).read_text(encoding="utf-8"))["findings"]
        # Nothing that leads out of the folder.
        return {finding["name"] for finding in listed if re.fullmatch("[a-z_]+", finding["name"])}
    return set()


def _lines(finding: Finding) -> list[str]:
    """The finding, why it matters, and some of its rows."""
    head = f"{finding.severity:<7} {finding.count:>7,}  "
    indent = " " * len(head)
    lines = textwrap.wrap(printable(finding.headline), _WIDTH, initial_indent=head, subsequent_indent=indent)
    lines += textwrap.wrap(finding.advice, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    if "text" in finding.table:
        lines += [f"{indent}  {_shown(row)}" for row in finding.head(_EXAMPLES)]
    return lines


def _shown(row: Mapping[str, Any]) -> str:
    """One row of a finding in a line of bounded width."""
    parts = [_place(row, "")]
    if row.get("other_file") is not None:
        parts += [" ~ ", _place(row, "other_")]
    second = row.get("other_text") or row.get("repaired")
    parts.append(f"  {_excerpts(row['text'], second if second != row['text'] else None)}")
    if row.get("suggested_label") is not None:
        parts.append(f" rather {fit(row['suggested_label'], 30)} ({row['probability_of_suggested_label']:.2f})")
    return "".join(parts)


def _place(row: Mapping[str, Any], prefix: str) -> str:
    label = row[f"{prefix}label"]
    return f"{fit(row[f'{prefix}file'], 30)}:{row[f'{prefix}line']}" + (f" {fit(label, 30)}" if label else "")


def _excerpts(text: str, second: str | None) -> str:
    """The start of a text; of two, what stands where they begin to differ."""
    if second is None:
        return _quoted(text, _TEXT_WIDTH)
    same = 0
    while same < min(len(text), len(second)) and text[same] == second[same]:
        same += 1
    start = max(0, same - _BEFORE)
    dots = "…" if start else ""
    return " ~ ".join(_quoted(dots + one[start:], _TEXT_WIDTH // 2) for one in (text, second))


def _quoted(text: str, width: int) -> str:
    # A character takes at least a column, but for marks on letters.
    return f'"{fit(text[: 4 * width], width)}"'
