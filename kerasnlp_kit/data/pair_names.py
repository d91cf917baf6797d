"""Column names that people give to sources and targets, in pairs, best first."""

import re
from collections.abc import Iterator, Sequence

from kerasnlp_kit.data.names import find_name, is_bookkeeping


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pair(sources: str, targets: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return _words(sources), _words(targets)


# Each side best first; a source goes with any target of its line.
PAIR_NAMES = (
    _pair("source src", "target tgt trg"),
    _pair("input inputs", "output outputs target"),
    _pair("question query", "answer answers response reply sql"),
    _pair("prompt", "completion response output answer"),
    _pair("instruction", "response output answer completion"),
    _pair("query message utterance context post", "response reply rewrite"),
    _pair("article document text content body dialogue dialog passage", "summary headline highlights"),
    _pair("word grapheme graphemes spelling", "pronunciation phonemes phoneme phones ipa lemma transcription"),
    _pair("text sentence original phrase", "translation paraphrase simplified normalized normalised corrected"),
    _pair(
        "wrong incorrect error errors misspelled misspelling noisy", "corrected correct correction right clean fixed"
    ),
    _pair("before", "after"),
    _pair("informal", "formal"),
    _pair("complex normal", "simple"),
    _pair("原文 源文 源文本 源语言 源", "译文 目标文本 目标语言 目标"),
    _pair("问题 提问 问 问句", "答案 回答 答 答复 回复"),
    _pair("输入", "输出"),
    _pair("原文 文章 正文 文本 内容", "摘要 翻译 改写"),
    _pair("错误 错句 错误句子 原句", "正确 正句 改正 修改 纠正 正确句子 改写"),
    _pair("上联", "下联"),
    _pair("文言文 古文", "白话文 现代文 译文"),
)
# ISO 639-1, and the names of the languages that parallel texts are most often in.
_LANGUAGES = _words(
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo "
    "es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka "
    "kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng "
    "nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su "
    "sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu "
    "arabic chinese czech danish dutch english finnish french german greek hebrew hindi hungarian italian japanese "
    "korean latin norwegian persian polish portuguese romanian russian spanish swedish turkish ukrainian vietnamese "
    "中文 英文 汉语 英语 日语 日文 法语 法文 德语 德文 俄语 韩语"
)
_REGION = re.compile(r"[-_][a-z]{2,4}$")


def find_pair(
    columns: Sequence[str], source: str | None = None, target: str | None = None, *, whole: bool = False
) -> tuple[str, str] | None:
    """Returns the columns of sources and targets by their names, or None.

    They are called by the earliest pair of `PAIR_NAMES`, whole names before parts of them; or after two languages, as
    "en" and "de", the first of which is the source.

    Args:
        columns: The names of the columns.
        source: The column of sources, if it is known.
        target: The column of targets, if it is known.
        whole: Whether whole names alone count.
    """
    for exact in (True,) if whole else (True, False):
        for sources, targets in PAIR_NAMES:
            for found in _called(columns if target is None else [target], targets, exact):
                for other in _called(columns if source is None else [source], sources, exact):
                    if other != found:
                        return other, found
    languages = [column for column in columns if is_language(column)]
    if len(languages) > 2:  # "id" is Indonesian only where it must be
        languages = [column for column in languages if not is_bookkeeping(column)]
    if len(languages) != 2:
        return None
    if source == languages[1] or target == languages[0]:
        languages.reverse()
    return (languages[0], languages[1]) if source in (None, languages[0]) and target in (None, languages[1]) else None


def find_source(columns: Sequence[str]) -> str | None:
    """Returns the column that is called as sources are, whatever stands beside it."""
    return next(_called_at_all(columns, [names for names, _ in PAIR_NAMES]), None)


def find_target(columns: Sequence[str]) -> str | None:
    """Returns the column that is called as targets are, whatever stands beside it."""
    return next(_called_at_all(columns, [names for _, names in PAIR_NAMES]), None)


def is_language(column: str) -> bool:
    """Whether a column is called after a language: "en", "zh-CN", "German"."""
    return _REGION.sub("", column.strip().casefold()) in _LANGUAGES


def _called_at_all(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    for whole in (True, False):
        for names in lines:
            yield from _called(columns, names, whole)


def _called(columns: Sequence[str], names: Sequence[str], whole: bool) -> Iterator[str]:
    """Yields the columns called by one of `names`, best name first; unless `whole`, those with it as a part, too."""
    for name in names:
        for column in columns:
            if column.strip().casefold() == name or (not whole and len(name) > 1 and find_name([column], [name])):
                yield column
