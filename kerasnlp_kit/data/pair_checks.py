"""The short doctor of sources and targets."""

from kerasnlp_kit.data.pairs import Pairs


def pair_notes(train: Pairs, dev: Pairs | None = None, test: Pairs | None = None) -> list[str]:
    """To come."""
    return []
