"""Checks of labels: texts that have two, names that look like one, classes that are unknown, small or uneven."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from kerasnlp_kit.data.copies import Copies
from kerasnlp_kit.data.findings import Finding, Pool, counted, rounded, severity_by_share, share
from kerasnlp_kit.data.label_names import similar_names

_UNEVEN = 0.8  # evenness, see `imbalance`; two classes of 76% and 24% are at 0.8
_UNEQUAL = 10  # times as many rows in the largest class as in the smallest
_SHOWN = 5  # names in a line
_LONGEST_NAME = 40  # characters


def conflicting_labels(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Equal texts, and texts that are equal but for their dress, under different labels."""
    usable = (pool.labels >= 0) & ~copies.blank
    rows, others = _disagreeing(copies.text, pool.labels, usable)
    if len(rows):
        count = len(np.unique(copies.text[rows]))
        yield Finding(
            "conflicting_labels",
            severity_by_share(pool, rows),
            count,
            f"{counted(count, 'text stands', 'texts stand')} under different labels, in "
            f"{counted(len(rows), 'row', 'rows')}: {pool.by_file(rows)}",
            "No model can get all of these rows right. Decide on one label for each text"
            + ("." if pool.multi_label else "; or give all rows of a text all of its labels (--label-separator)."),
            pool.table(rows, others),
        )
    told = np.zeros(len(pool), bool)
    told[rows] = True
    rows, others = _disagreeing(copies.plain, pool.labels, usable)
    rows, others = rows[~told[rows]], others[~told[rows]]
    if len(rows):
        count = len(np.unique(copies.plain[rows]))
        yield Finding(
            "near_conflicting_labels",
            "warning",
            count,
            f"{counted(count, 'text has', 'texts have')} another label where case, blanks, punctuation or digits "
            f"differ, in {counted(len(rows), 'row', 'rows')}: {pool.by_file(rows)}",
            "Mostly one of the labels is wrong. Look at each pair; where a number or a mark decides the class, all is "
            "well.",
            pool.table(rows, others),
        )


def unseen_labels(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Labels of later files that the training file lacks."""
    if not pool.has_labels(0):
        return
    known = {name for name, count in pool.class_counts(0).items() if count}
    unseen = sorted(
        {name for file in range(1, len(pool.names)) for name, count in pool.class_counts(file).items() if count} - known
    )
    rows = np.concatenate([pool.rows_with(file, set(unseen)) for file in range(len(pool.names))])
    if len(rows):
        yield Finding(
            "unseen_labels",
            "serious",
            len(rows),
            f"{counted(len(rows), 'row has a label', 'rows have labels')} that {pool.names[0]} lacks "
            f"({_listed(unseen)}): {pool.by_file(rows)}",
            "A model cannot answer what it has never seen: in all of these rows it will err. Add such rows to the "
            "training file, or mend the spelling.",
            pool.table(rows),
        )


def look_alike_labels(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Names of labels that may be two spellings of one."""
    counts: Counter[str] = Counter()
    for file in range(len(pool.names)):
        counts.update(pool.class_counts(file))
    # The most frequent one first: several spellings of one name are each told beside it.
    pairs = similar_names(sorted(pool.classes, key=lambda name: -counts[name]))
    if not pairs:
        return
    # The name with fewer rows is told first: it is the one to mend.
    ordered = [sorted((pair.second, pair.first), key=lambda name: counts[name]) for pair in pairs]
    shown = [
        f'"{_cut(rare)}" ({counts[rare]:,}) and "{_cut(frequent)}" ({counts[frequent]:,})' for rare, frequent in ordered
    ]
    yield Finding(
        "label_names",
        "serious" if any(pair.sure for pair in pairs) else "warning",
        len(pairs),
        f"{counted(len(pairs), 'pair of labels looks', 'pairs of labels look')} like one: "
        f"{_listed(shown, quoted=False)}",
        "Two spellings of one label are two classes, which no model can tell apart. Write them alike if they mean the "
        "same.",
        {
            "label": [rare for rare, _ in ordered],
            "rows": [counts[rare] for rare, _ in ordered],
            "other_label": [frequent for _, frequent in ordered],
            "other_rows": [counts[frequent] for _, frequent in ordered],
            "reason": [pair.reason for pair in pairs],
        },
    )


def imbalance(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Classes of very unequal size in the training file."""
    counts = {name: count for name, count in pool.class_counts(0).items() if count}
    if len(counts) < 2:
        return
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    sizes = np.array([counts[name] for name in ordered])
    shares = sizes / sizes.sum()
    # Shannon's entropy over its greatest value: 1 where all classes have equally many rows (Pielou's evenness).
    evenness = float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
    ratio = sizes[0] / sizes[-1]
    if evenness >= _UNEVEN and ratio < _UNEQUAL:
        return
    rows = int(pool.sizes[0])
    yield Finding(
        "imbalance",
        "warning",
        len(ordered),
        f'{len(ordered):,} classes of very unequal size in {pool.names[0]}: "{_cut(ordered[0])}" has {sizes[0]:,} rows '
        f'({share(int(sizes[0]), rows)}), "{_cut(ordered[-1])}" {sizes[-1]:,}',
        "Accuracy says little about small classes: look at macro F1"
        + ("" if pool.multi_label else ", and try --class-weights")
        + f". Evenness {evenness:.2f} of 1, largest to smallest {ratio:,.1f}.",
        {"label": ordered, "rows": sizes.tolist(), "share": rounded(sizes / rows)},
    )


def single_row_classes(pool: Pool, copies: Copies) -> Iterator[Finding]:
    """Classes with one row in the training file."""
    names = [name for name, count in pool.class_counts(0).items() if count == 1]
    rows = pool.rows_with(0, set(names))
    if len(rows):
        yield Finding(
            "single_row_classes",
            "warning",
            len(names),
            f"{counted(len(names), 'class has', 'classes have')} a single row in {pool.names[0]}: {_listed(names)}",
            "One row can be learnt from or held out, not both. Add rows, or merge the class with another.",
            pool.table(rows),
        )


def _disagreeing(ids: np.ndarray, labels: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows whose id has several labels, equal ids together, and for each a row with another label."""
    rows = np.flatnonzero(usable)
    classes = int(labels.max(initial=0)) + 1
    pairs, first, inverse = np.unique(
        ids[rows].astype(np.int64) * classes + labels[rows], return_index=True, return_inverse=True
    )
    owner = pairs // classes
    several = np.bincount(owner)[owner] > 1
    # The label before or, for the first label of an id, the one behind: pairs of one id stand together.
    place = np.arange(len(pairs))
    neighbour = np.where(np.diff(owner, prepend=-1) != 0, np.minimum(place + 1, len(pairs) - 1), place - 1)
    other = rows[first[neighbour]]
    keep = several[inverse]
    found, others = rows[keep], other[inverse[keep]]
    earliest = np.full(int(ids.max(initial=-1)) + 1, len(ids))
    np.minimum.at(earliest, ids[found], found)
    order = np.lexsort((found, earliest[ids[found]]))
    return found[order], others[order]


def _listed(names: Sequence[str], *, quoted: bool = True) -> str:
    shown = [f'"{_cut(name)}"' if quoted else name for name in names[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
