"""Finds texts that are equal but for their dress, and texts that share nearly all of their character trigrams."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NEAR = 0.9  # Jaccard similarity from which two texts count as nearly equal

_SHINGLE = 3  # characters: one letter changed in a text of 60 leaves a similarity of 0.9
_CHUNK_TEXTS = 2**16  # as many as 16 bits number
_CHUNK_CHARACTERS = 2_000_000
_FREQUENCY_BITS = 22
_SIGNATURE_WORDS = 4  # of 64 bits
_ROUNDING = 1e-9
_MOST_NEIGHBOURS = 500


class _PlainCharacters(dict[int, int | str]):
    """What `str.translate` makes of a character: numerals "0", punctuation and blanks one blank, marks of format "".

    Letters and the marks on them stay, and so do symbols: an emoji may be all that tells praise from blame.
    """

    def __missing__(self, code: int) -> int | str:
        category = unicodedata.category(chr(code))
        plain: int | str = code
        if category[0] == "N":
            plain = "0"
        elif category[0] in "PZ" or category == "Cc":
            plain = " "
        elif category == "Cf":
            plain = ""
        self[code] = plain
        return plain


_PLAIN_CHARACTERS = _PlainCharacters()
_ZEROS = re.compile("00+")


def plain_text(text: str) -> str:
    """Returns what is left of a text once case, Unicode's variants, blanks, punctuation and digits are evened out.

    ``"Order  No. 17!"`` and ``"order no 4"`` give ``"order no 0"``. A text without a letter or symbol keeps its digits
    and marks, as nothing else tells ``"12"`` from ``"13"``.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = _ZEROS.sub("0", " ".join(folded.translate(_PLAIN_CHARACTERS).split()))
    return plain if plain.strip("0 ") else " ".join(folded.split())


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """Returns uint64 (rows,): equal for equal texts."""
    return np.fromiter(map(_key, texts), np.uint64)


def _key(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True)
class NearDuplicates:
    """For each text and each file: one other text of that file that is nearly equal.

    Attributes:
        other: int64 (texts, files): the place of that text, -1 if there is none.
        similarity: float32 (texts, files): the Jaccard similarity of the two, 0 if there is none.
    """

    other: np.ndarray
    similarity: np.ndarray


def near_duplicates(texts: Sequence[str], in_file: np.ndarray, threshold: float = NEAR) -> NearDuplicates:
    """Finds nearly equal texts by the Jaccard similarity of their sets of character trigrams.

    Exact, not sampled: two sets that are similar enough must share one of their few rarest members (prefix filter:
    Bayardo, Ma and Srikant 2007, "Scaling Up All Pairs Similarity Search"), with enough members behind it in both
    (positional filter: Xiao et al. 2008, "Efficient Similarity Joins for Near Duplicate Detection"). Texts that do are
    compared by signatures (bitmap filter: Sandes, Teodoro and Melo 2020) before they are compared in full. Only where a
    trigram is among the rarest of more than 500 texts, each of these is compared with the 500 next to it in size alone.

    Memory stays at some hundred bytes a text, and a tenth of the size of the texts: of each set only the rarest members
    are kept.

    Args:
        texts: Distinct plain texts, see `plain_text`; read several times, a piece at a time.
        in_file: bool (texts, files): in which files each text occurs.
        threshold: The least similarity, above 0 and at most 1.
    """
    count, files = in_file.shape
    found = NearDuplicates(np.full((count, files), -1, np.int64), np.zeros((count, files), np.float32))
    frequency = np.zeros(2**_FREQUENCY_BITS, np.int64)
    sizes = np.zeros(count, np.int64)
    signatures = np.zeros((count, _SIGNATURE_WORDS), np.uint64)
    for start, chunk in _chunks(texts):
        owner, shingle = _shingles(chunk)
        frequency += np.bincount(_bucket(shingle), minlength=len(frequency))
        sizes[start : start + len(chunk)] = np.bincount(owner, minlength=len(chunk))
        signatures[start : start + len(chunk)] = _signatures(owner, shingle, len(chunk))
    place, key, left = _postings(texts, sizes, frequency, threshold)
    del frequency
    # Texts that share a key stand together, like sizes side by side.
    order = np.lexsort((place, sizes[place], key))
    place, key, left = place[order], key[order], left[order]
    # The smaller of two sets, which stands first, may have even fewer members before the first that they share.
    alive = np.flatnonzero(left >= _least_shared(sizes[place], sizes[place], threshold))
    for distance in range(1, _MOST_NEIGHBOURS + 1):
        # Once too far apart in key or size, a text and its neighbours further on stay so.
        alive = alive[alive + distance < len(place)]
        first, second = place[alive], place[alive + distance]
        alive = alive[(key[alive] == key[alive + distance]) & (sizes[first] >= threshold * sizes[second] - _ROUNDING)]
        if not len(alive):
            break
        for some in np.array_split(alive, 1 + len(alive) // 1_000_000):
            least = _least_shared(sizes[place[some]], sizes[place[some + distance]], threshold)
            keep = np.minimum(left[some], left[some + distance]) >= least
            some, least = some[keep], least[keep]
            _compare(texts, place[some], place[some + distance], least, sizes, signatures, in_file, threshold, found)
    return found


def _compare(
    texts: Sequence[str],
    first: np.ndarray,
    second: np.ndarray,
    least: np.ndarray,
    sizes: np.ndarray,
    signatures: np.ndarray,
    in_file: np.ndarray,
    threshold: float,
    found: NearDuplicates,
) -> None:
    """Compares pairs of texts and writes down those that are similar enough, one for each text and file.

    Args:
        texts: All of them.
        first: int64 (pairs,): places of texts.
        second: int64 (pairs,): those to compare them with.
        least: int64 (pairs,): how many members they must share.
        sizes: int64 (texts,): of the sets.
        signatures: uint64 (texts, words).
        in_file: bool (texts, files).
        threshold: The least similarity.
        found: What is written to.
    """
    # A member that only one of two sets has changes one bit of a signature, so there are at least as many as bits.
    bits = np.bitwise_count(signatures[first] ^ signatures[second]).sum(axis=1, dtype=np.int64)
    keep = bits <= sizes[first] + sizes[second] - 2 * least
    keep &= _news(first, second, in_file, found) | _news(second, first, in_file, found)
    pairs = np.unique(np.stack([first[keep], second[keep]], axis=1), axis=0)
    for piece in np.array_split(pairs, 1 + len(pairs) // 2_000):
        # Within a piece too, what the pieces before have settled needs no look.
        one, two = piece[:, 0], piece[:, 1]
        piece = piece[_news(one, two, in_file, found) | _news(two, one, in_file, found)]
        if not len(piece):
            continue
        shared = _shared(texts, piece)
        total = sizes[piece].sum(axis=1)
        similarity = shared / (total - shared)
        near = similarity >= threshold - _ROUNDING
        for one, two in (piece[near].T, piece[near][:, ::-1].T):
            _note(one, two, similarity[near], in_file, found)


def _news(text: np.ndarray, other: np.ndarray, in_file: np.ndarray, found: NearDuplicates) -> np.ndarray:
    """Returns bool (pairs,): whether `other` is in a file for which `text` has no near duplicate yet."""
    return ((found.other[text] < 0) & in_file[other]).any(axis=1)


def _note(
    text: np.ndarray, other: np.ndarray, similarity: np.ndarray, in_file: np.ndarray, found: NearDuplicates
) -> None:
    for file in range(in_file.shape[1]):
        new = np.flatnonzero((found.other[text, file] < 0) & in_file[other, file])
        # The most similar is written last, so it stays.
        new = new[np.argsort(similarity[new], kind="stable")]
        found.other[text[new], file] = other[new]
        found.similarity[text[new], file] = similarity[new]


def _shared(texts: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """Returns int64 (pairs,): how many shingles the two texts of each pair, int64 (pairs, 2), have in common."""
    places, inverse = np.unique(pairs, return_inverse=True)
    owner, shingle = _shingles([texts[int(place)] for place in places])
    starts = np.searchsorted(owner, np.arange(len(places) + 1))
    counts = np.diff(starts)
    members = []
    for side in inverse.reshape(pairs.shape).T:
        pair = np.repeat(np.arange(len(pairs), dtype=np.uint64), counts[side])
        members.append(pair << np.uint64(32) | shingle[_ranges(starts[side], counts[side])])
    together = np.sort(np.concatenate(members))
    # A set names a member once, so what stands twice is in both.
    twice = together[1:][together[1:] == together[:-1]]
    return np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(pairs))


def _least_shared(sizes: np.ndarray, others: np.ndarray, threshold: float) -> np.ndarray:
    """Returns int64: how many members sets of two sizes must share to be similar enough."""
    return np.ceil(threshold / (1 + threshold) * (sizes + others) - _ROUNDING).astype(np.int64)


def _postings(
    texts: Sequence[str], sizes: np.ndarray, frequency: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the rarest shingles of each text: two similar texts share at least one of these.

    Returns:
        The text of each, int64, the shingle, uint32, and how many of the text's shingles are not rarer, int64.
    """
    places, keys, lefts = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    for start, chunk in _chunks(texts):
        owner, shingle = _shingles(chunk)
        # Any order will do that is the same for all texts: by frequency, and among equals by the hash.
        rarity = np.minimum(frequency[_bucket(shingle)], 0xFFFF).astype(np.uint64)
        ordered = np.sort(owner.astype(np.uint64) << np.uint64(48) | rarity << np.uint64(32) | shingle)
        size = sizes[start : start + len(chunk)]
        prefix = np.where(size, size - np.ceil(threshold * size - _ROUNDING).astype(np.int64) + 1, 0)
        rarest = ordered[_ranges(np.cumsum(size) - size, prefix)]
        places.append(start + (rarest >> np.uint64(48)).astype(np.int64))
        keys.append((rarest & np.uint64(0xFFFFFFFF)).astype(np.uint32))
        lefts.append(np.repeat(size, prefix) - _ranges(np.zeros_like(prefix), prefix))
    return np.concatenate(places), np.concatenate(keys), np.concatenate(lefts)


def _chunks(texts: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields pieces with a bounded number of texts and, but for the last text, of characters, and where they begin."""
    start, characters, chunk = 0, 0, list[str]()
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) == _CHUNK_TEXTS or characters >= _CHUNK_CHARACTERS:
            yield start, chunk
            start, characters, chunk = start + len(chunk), 0, []
    if chunk:
        yield start, chunk


def _shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the set of each text's trigrams: the text of each, int64, and its hash of 32 bits, uint64; sorted."""
    padded = [f" {text} " for text in texts]  # so that a text of one character has a trigram
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    windows = np.maximum(lengths - _SHINGLE + 1, 0)
    hashes = np.zeros(max(0, len(codes) - _SHINGLE + 1), np.uint64)
    for offset in range(_SHINGLE):  # 21 bits hold a character
        hashes = hashes << np.uint64(21) | codes[offset : offset + len(hashes)]
    hashes = (hashes ^ hashes >> np.uint64(31)) * np.uint64(0x9E3779B97F4A7C15)  # multiplicative hashing (Knuth)
    hashes = (hashes ^ hashes >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(32)
    owner = np.repeat(np.arange(len(padded), dtype=np.uint64), windows)
    members = np.sort(owner << np.uint64(32) | hashes[_ranges(np.cumsum(lengths) - lengths, windows)])
    members = members[np.diff(members, prepend=members[:1] ^ np.uint64(1)) != 0]
    return (members >> np.uint64(32)).astype(np.int64), members & np.uint64(0xFFFFFFFF)


def _signatures(owner: np.ndarray, shingle: np.ndarray, count: int) -> np.ndarray:
    """Returns uint64 (texts, words): each member of a set flips one bit."""
    signatures = np.zeros((count, _SIGNATURE_WORDS), np.uint64)
    bit = np.uint64(1) << (shingle & np.uint64(63))
    word = (shingle >> np.uint64(6)) % np.uint64(_SIGNATURE_WORDS)
    owners, starts = np.unique(owner, return_index=True)
    if len(owners):
        for place in range(_SIGNATURE_WORDS):
            flips = np.where(word == place, bit, np.uint64(0))
            signatures[owners, place] = np.bitwise_xor.reduceat(flips, starts)
    return signatures


def _bucket(shingle: np.ndarray) -> np.ndarray:
    return (shingle & np.uint64(2**_FREQUENCY_BITS - 1)).astype(np.int64)


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the whole numbers from each start on, as many as its count, one range after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)
