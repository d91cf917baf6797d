"""Column names that people give to texts and labels, best first."""

import re
from collections.abc import Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Of what is called so in part, the best is first, too: the body of a review rather than its headline.
TEXT_NAMES = _words(
    "text sentence content body message review utterance query question comment tweet post document description "
    "abstract passage paragraph article sms email prompt input instruction phrase source title headline summary "
    "文本 内容 正文 详情 评论 句子 文章 评价 微博 留言 问题 标题"
)
LABEL_NAMES = _words(
    "label class category intent topic sentiment target tag emotion polarity rating stars star verdict outcome score "
    "type genre language lang y labels classes categories intents topics tags emotions genres "
    "标签 类别 分类 类目 情感 意图 主题 极性"
)
# Often something that stands beside the text or the label: even as whole names they come after parts of the others.
_LESS_SURE = frozenset(
    _words(
        "description prompt input instruction phrase source title headline summary 标题 "
        "score type genre language lang y genres"
    )
)
_SHORT_TEXTS = frozenset(_words("title headline summary 标题"))  # of a review or an article, beside what is longer
_NUMBERED = frozenset(_words("label class category intent sentiment 标签 类别 分类"))  # "label_id" may be all there is
_NUMBERS = ("id", "idx", "index", "number", "no", "编号", "序号")
# Never a text or a label, however well the content would fit.
BOOKKEEPING_NAMES = _words(
    "id idx index uid uuid guid key number no date time timestamp created url link user username author split fold set "
    "partition length count 编号 序号 日期 时间"
)
# These say so wherever they stand in a name, the others where they are what it is about: "user_review" is a review.
_ANYWHERE = frozenset(_words("id idx index uid uuid guid timestamp created url"))
_AFTER_THE_NOUN = frozenset(_words("of in on at by for"))
_CHINESE_BOOKKEEPING = ("编号", "序号", "日期", "时间", "人", "者", "用户", "用户名", "昵称", "数", "数量", "链接")
_OTHER_HEADER_NAMES = ("target", "src", "tgt", "output", "answer", "response", "name")

_WORD = re.compile(r"[\u3040-\u9fff]+|[A-Z]?[^\W\d_A-Z\u3040-\u9fff]+|[A-Z]+|\d+")
_NO_NAME = re.compile(r"[?!,;:\"\n\r\t。，！？；：]")
_UNNAMED = re.compile(r"Unnamed: \d+")  # what pandas calls a column without a heading
_YEAR = re.compile(r"\s*(19|20)\d\d\s*")
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?%?\s*")


def listed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names as a tuple; a single one may stand alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def is_number(value: str) -> bool:
    """Whether a cell reads as one number."""
    return _NUMBER.fullmatch(value) is not None


def is_plain_value(cell: str) -> bool:
    """Whether a cell is a number, a date or a time: digits and marks without a word."""
    return is_number(cell) or (any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell)))


def find_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Returns the column that is called by the earliest of `names`.

    A whole name counts before a part of one ("text" before "review_text"), but a part before a whole name that often is
    something else ("review_text" before "title"); case is ignored.
    """
    sure = [name for name in names if name not in _LESS_SURE]
    found = _whole_or_part(columns, sure) or _number_of(columns, sure)
    return found or _whole_or_part(columns, [name for name in names if name in _LESS_SURE])


def _whole_or_part(columns: Sequence[str], names: Sequence[str]) -> str | None:
    folded = {column.strip().casefold(): column for column in reversed(columns)}
    for name in names:
        if name in folded:
            return folded[name]
    for name in names:
        for column in columns:
            beside = () if name in _LESS_SURE else _SHORT_TEXTS
            if _holds(column, name) and not is_bookkeeping(column) and not any(_holds(column, one) for one in beside):
                return column
    return None


def _number_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that numbers what it is a label of: "label_id", "Class Index"."""
    for name in names:
        for column in columns:
            if name in _NUMBERED and _holds(column, name) and _words_of(column)[-1].endswith(_NUMBERS):
                return column
    return None


def _holds(column: str, name: str) -> bool:
    # Chinese writes no blanks between words.
    return name in _words_of(column) if name.isascii() else name in column


def _words_of(column: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(column)]


def is_bookkeeping(column: str) -> bool:
    """Whether a column's name says that it is a number, a date or the like."""
    words = _words_of(column)
    name = column.strip()
    if not _ANYWHERE.isdisjoint(words) or (name.endswith(_CHINESE_BOOKKEEPING) and not name.endswith("分数")):
        return True
    ends = [place for place, word in enumerate(words) if place and word in _AFTER_THE_NOUN]
    noun = words[: ends[0]] if ends else words
    noun = noun[:-1] if len(noun) > 1 and noun[-1] in ("name", "names") else noun
    return bool(noun) and noun[-1] in BOOKKEEPING_NAMES


def is_year(value: str) -> bool:
    """Whether a cell reads as a year of the last hundred or so."""
    return _YEAR.fullmatch(value) is not None


def looks_like_name(cell: str) -> bool:
    """Whether a cell could be the heading of a column."""
    if _UNNAMED.fullmatch(cell):
        return True
    return len(cell) <= 40 and len(cell.split()) <= 4 and not _NO_NAME.search(cell) and not is_number(cell)


def is_known_name(cell: str, *, whole: bool = False) -> bool:
    """Whether a cell is one of the usual headings, or (unless `whole`) of up to two words holds one."""
    names = (*TEXT_NAMES, *LABEL_NAMES, *BOOKKEEPING_NAMES, *_OTHER_HEADER_NAMES)
    if cell.casefold() in names:
        return True
    return not whole and len(cell.split()) <= 2 and find_name([cell], names) is not None
