"""Looks for what is wrong with a data set, without training a model: leaks, repeats, and labels and texts that are off.

`quick_check` is the short form for the start of a training run.
"""

from collections.abc import Callable, Iterator, Sequence

from kerasnlp_kit.data.copies import Copies, find_copies
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.findings import SEVERITIES, Finding, Pool
from kerasnlp_kit.data.label_checks import (
    conflicting_labels,
    imbalance,
    look_alike_labels,
    single_row_classes,
    unseen_labels,
)
from kerasnlp_kit.data.text_checks import damaged_texts, leaks, repeats, texts_without_words, unknown_words

Check = Callable[[Pool, Copies], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    leaks,
    conflicting_labels,
    unseen_labels,
    look_alike_labels,
    damaged_texts,
    texts_without_words,
    repeats,
    imbalance,
    single_row_classes,
    unknown_words,
)
# What a training run does not say by itself and can be found in no time.
QUICK_CHECKS: tuple[Check, ...] = (
    leaks,
    conflicting_labels,
    look_alike_labels,
    damaged_texts,
    texts_without_words,
    imbalance,
)


def examine(pool: Pool, copies: Copies) -> list[Finding]:
    """Examines the files of one data set.

    Args:
        pool: The rows of the files, those of the training file first.
        copies: Which of them are copies of others.

    Returns:
        What was found, most serious first.
    """
    return most_serious_first([finding for check in CHECKS for finding in check(pool, copies)])


def quick_check(train: Examples, dev: Examples | None = None, test: Examples | None = None) -> list[str]:
    """Examines a data set in no time: no model, and texts are compared but for case, blanks, punctuation and digits.

    Args:
        train: The rows to train on.
        dev: The rows to choose the best epoch on.
        test: The rows to score the finished model on.

    Returns:
        One line for each thing found, most serious first.
    """
    parts = {"train": train, "dev": dev, "test": test}
    there = {name: part for name, part in parts.items() if part is not None and len(part)}
    if not there:
        return []
    pool = Pool(tuple(there.values()), tuple(there))
    copies = find_copies(pool, similar=False)
    findings = most_serious_first([finding for check in QUICK_CHECKS for finding in check(pool, copies)])
    return [finding.headline for finding in findings if finding.severity != "note"]


def most_serious_first(findings: Sequence[Finding]) -> list[Finding]:
    """Sorts by severity; equals keep their order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
