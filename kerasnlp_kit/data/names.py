"""Column names that people give to texts and labels, best first."""

import re
from collections.abc import Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TEXT_NAMES = _words(
    "text sentence review content body message utterance query question comment tweet post document description "
    "abstract passage paragraph article sms email prompt input instruction phrase source title headline summary "
    "文本 内容 评论 句子 正文 文章 评价 微博 留言 问题 标题"
)
LABEL_NAMES = _words(
    "label class category intent topic sentiment target tag emotion polarity genre language lang rating stars star "
    "score type verdict outcome y labels classes categories intents topics tags emotions genres "
    "标签 类别 分类 类目 情感 意图 主题 极性"
)
# Never a text or a label, however well the content would fit.
BOOKKEEPING_NAMES = _words(
    "id idx index uid uuid guid key number no date time timestamp created url link user username author split fold set "
    "partition length count 编号 序号 日期 时间"
)
_OTHER_HEADER_NAMES = ("target", "src", "tgt", "output", "answer", "response", "name")

_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+")
_NO_NAME = re.compile(r"[?!,;:\"\n\r\t。，！？；：]")
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?%?\s*")


def is_number(value: str) -> bool:
    """Whether a cell reads as one number."""
    return _NUMBER.fullmatch(value) is not None


def find_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Returns the column that is called by the earliest of `names`.

    A whole name counts before a part of one ("text" before "review_text"); case is ignored.
    """
    folded = {column.strip().casefold(): column for column in reversed(columns)}
    for name in names:
        if name in folded:
            return folded[name]
    words = {column: [word.casefold() for word in _WORD.findall(column)] for column in columns}
    for name in names:
        for column in columns:
            # Chinese writes no blanks between words.
            part = name in words[column] if name.isascii() else name in column
            if part and not is_bookkeeping(column):
                return column
    return None


def is_bookkeeping(column: str) -> bool:
    """Whether a column's name says that it is a number, a date or the like."""
    return any(word.casefold() in BOOKKEEPING_NAMES for word in _WORD.findall(column))


def looks_like_name(cell: str) -> bool:
    """Whether a cell could be the heading of a column."""
    return len(cell) <= 40 and len(cell.split()) <= 4 and not _NO_NAME.search(cell) and not is_number(cell)


def is_known_name(cell: str, *, whole: bool = False) -> bool:
    """Whether a cell is one of the usual headings, or (unless `whole`) of up to two words holds one."""
    names = (*TEXT_NAMES, *LABEL_NAMES, *BOOKKEEPING_NAMES, *_OTHER_HEADER_NAMES)
    if cell.casefold() in names:
        return True
    return not whole and len(cell.split()) <= 2 and find_name([cell], names) is not None
