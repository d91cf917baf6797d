"""Dates written in many ways, English and Chinese, and the same in ISO 8601: for `dates.csv` and `dates_test.csv`.

A date written in digits alone is day first (03.05.1998 is the third of May) or, where it begins with the year, year
first. Years are 1900 to 2099 and never cut to two digits, so that each way of writing has one right answer.
"""

import datetime
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from make_samples import Dice

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# As people misspell them; no two months share a spelling.
MISSPELT = (
    ("Janurary", "Januray", "Janaury"),
    ("Febuary", "Feburary", "Februray"),
    ("Marhc", "Mrach", "Marchh"),
    ("Apirl", "Aprli", "Aprill"),
    ("Mayy", "Maay"),
    ("Junne", "Jnue"),
    ("Jully", "Juyl"),
    ("Agust", "Augsut", "Auguest"),
    ("Septmber", "Setpember", "Septembre"),
    ("Ocotber", "Octber", "Octobre"),
    ("Novmber", "Novemeber", "Novemebr"),
    ("Decmber", "Decemeber", "Desember"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Writer = Callable[[datetime.date, "Dice"], str]


def date_pairs(count: int, dice: "Dice", without: Collection[str] = ()) -> list[tuple[str, str]]:
    """Distinct ways of writing random dates, and the dates in ISO 8601, of which none is `without`."""
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        date = FIRST + datetime.timedelta(days=dice.below((LAST - FIRST).days + 1))
        if date.isoformat() not in without:
            write = dice.pick(WRITERS)
            pairs[write(date, dice)] = date.isoformat()
    return list(pairs.items())


def _day_first(date: datetime.date, dice: "Dice") -> str:
    """3 May 1998, 3rd of May, 1998, Sunday the 3rd May 1998."""
    day = dice.pick((str(date.day), str(date.day), f"{date.day:02}", _ordinal(date.day), f"{_ordinal(date.day)} of"))
    lead = dice.pick(("", "", "the ")) if day[-1].isalpha() else ""
    lead = dice.pick(("", "", f"{_weekday(date, dice)} ", f"{_weekday(date, dice)}, ")) + lead
    return _typed(f"{lead}{day} {_month(date, dice)}{dice.pick(('', ','))} {date.year}", dice)


def _month_first(date: datetime.date, dice: "Dice") -> str:
    """May 3, 1998, Sunday, May 3rd 1998."""
    day = dice.pick((str(date.day), str(date.day), f"{date.day:02}", _ordinal(date.day)))
    lead = dice.pick(("", "", f"{_weekday(date, dice)} ", f"{_weekday(date, dice)}, "))
    return _typed(f"{lead}{_month(date, dice)} {day}{dice.pick((',', ',', ''))} {date.year}", dice)


def _year_first(date: datetime.date, dice: "Dice") -> str:
    """1998 May 3."""
    return _typed(f"{date.year}{dice.pick((' ', ', '))}{_month(date, dice)} {date.day}", dice)


def _joined(date: datetime.date, dice: "Dice") -> str:
    """3-May-1998, 03MAY1998, 3/May/1998."""
    mark = dice.pick(("-", "-", "/", ".", ""))
    day = f"{date.day:02}" if not mark else dice.pick((str(date.day), f"{date.day:02}"))
    return _typed(f"{day}{mark}{MONTHS[date.month - 1][:3]}{mark}{date.year}", dice)


def _spelled(date: datetime.date, dice: "Dice") -> str:
    """The third of May, nineteen ninety-eight."""
    month = MONTHS[date.month - 1]
    day = _ordinal_word(date.day)
    patterns = (f"the {day} of {month}, {_year_words(date.year)}", f"{month} {day}, {_year_words(date.year)}")
    return _typed(dice.pick(patterns), dice)


def _digits(date: datetime.date, dice: "Dice") -> str:
    """03.05.1998, 3/5/1998: day first."""
    mark = dice.pick("./-")
    day, month = dice.pick(((f"{date.day:02}", f"{date.month:02}"), (f"{date.day}", f"{date.month}")))
    return f"{day}{mark}{month}{mark}{date.year}"


def _digits_year_first(date: datetime.date, dice: "Dice") -> str:
    """1998-05-03, 1998/5/3, 19980503."""
    if dice.chance(0.2):
        return f"{date:%Y%m%d}"
    mark = dice.pick("./-")
    return f"{date.year}{mark}" + dice.pick((f"{date.month:02}{mark}{date.day:02}", f"{date.month}{mark}{date.day}"))


def _chinese(date: datetime.date, dice: "Dice") -> str:
    """1998年5月3日, 1998年05月03号, 星期日."""
    month, day = dice.pick((("{}", "{}"), ("{}", "{}"), ("{:02}", "{:02}")))
    gap = dice.pick(("", "", "", " "))
    parts = (f"{date.year}年", f"{month.format(date.month)}月", f"{day.format(date.day)}{dice.pick('日日号')}")
    text = gap.join(parts)
    if dice.chance(0.1):
        text = text.translate({ord(str(digit)): chr(ord("０") + digit) for digit in range(10)})  # full width
    return dice.pick(("", "", "", "公元")) + text + _chinese_weekday(date, dice)


def _chinese_spelled(date: datetime.date, dice: "Dice") -> str:
    """一九九八年五月三日, 二〇〇五年十一月二十号."""
    zero = dice.pick("〇〇零")
    year = "".join((zero + "一二三四五六七八九")[int(digit)] for digit in str(date.year))
    return (
        f"{year}年{_chinese_number(date.month)}月{_chinese_number(date.day)}{dice.pick('日日号')}"
        f"{_chinese_weekday(date, dice)}"
    )


# Those that differ most in themselves stand more than once.
WRITERS: tuple[Writer, ...] = (
    _day_first,
    _day_first,
    _day_first,
    _month_first,
    _month_first,
    _month_first,
    _year_first,
    _joined,
    _spelled,
    _spelled,
    _digits,
    _digits,
    _digits_year_first,
    _chinese,
    _chinese,
    _chinese,
    _chinese_spelled,
    _chinese_spelled,
)


def _typed(text: str, dice: "Dice") -> str:
    """As people type: in capitals or small letters, with a blank too many, after "on"."""
    text = dice.pick(("", "", "", "", "", "", "on ", "dated ")) + text
    if dice.chance(0.3):
        text = dice.pick((str.upper, str.lower, str.lower))(text)
    if dice.chance(0.05):
        text = dice.pick((" " + text, text + " ", text.replace(" ", "  ", 1)))
    return text


def _month(date: datetime.date, dice: "Dice") -> str:
    """The name of the month, often short, now and then misspelt."""
    name = MONTHS[date.month - 1]
    if dice.chance(0.12):
        return dice.pick(MISSPELT[date.month - 1])
    if dice.chance(0.4):
        short = "Sept" if name == "September" and dice.chance(0.5) else name[:3]
        return short + ("." if short != name and dice.chance(0.4) else "")
    return name


def _weekday(date: datetime.date, dice: "Dice") -> str:
    name = WEEKDAYS[date.weekday()]
    return dice.pick((name, name[:3], name[:3] + "."))


def _chinese_weekday(date: datetime.date, dice: "Dice") -> str:
    name = "一二三四五六日"[date.weekday()]
    return dice.pick(("", "", "", "", f" 星期{name}", f"星期{name}", f"（周{name}）"))


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    return f"{number}{'th' if 10 < number < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}


def _words(number: int) -> str:
    """A number below a hundred in English."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")


def _ordinal_word(number: int) -> str:
    """third, twelfth, twentieth, thirty-first."""
    *lead, last = _words(number).split("-")
    return "-".join([*lead, ORDINALS.get(last, f"{last}th")])


def _year_words(year: int) -> str:
    """nineteen hundred, nineteen oh five, two thousand five, twenty fifteen."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" {_words(rest)}" if rest else "")
    return f"{_words(century)} " + (_words(rest) if rest >= 10 else f"oh {_words(rest)}" if rest else "hundred")


def _chinese_number(number: int) -> str:
    """三, 十, 十二, 二十, 三十一."""
    tens, ones = divmod(number, 10)
    digits = " 一二三四五六七八九"
    return ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")
