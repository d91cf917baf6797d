"""The HTML the report is made of: one frame with its style sheet, and tables whose every cell is escaped."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence

# Control characters are not allowed in HTML, and a lone surrogate cannot be written as UTF-8.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def escape(text: str) -> str:
    """Returns any text, also a hostile one, as harmless HTML text or attribute value."""
    return html.escape(_UNWRITABLE.sub("\ufffd", text), quote=True)


def shorten(text: str, length: int) -> str:
    """Cuts a text longer than `length` characters and ends it with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def label(name: str, length: int = 40) -> str:
    """Returns a class label as HTML, shortened on the page and whole in its tooltip."""
    short = shorten(name, length)
    tooltip = f' title="{escape(name)}"' if short != name else ""
    return f'<span class="label" dir="auto"{tooltip}>{escape(short)}</span>'


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
    name: str = "",
    highlighted: Sequence[int] = (),
) -> str:
    """Returns a table that scrolls sideways on a narrow screen.

    Args:
        header: column titles, plain text.
        rows: cells as HTML; the caller has escaped them.
        numeric: the indices of columns aligned to the right.
        name: CSS classes for the table and its frame.
        highlighted: the indices of rows that stand out.
    """

    def row(tag: str, cells: Iterable[str], opening: str = "<tr>") -> str:
        kinds = (' class="number"' if column in numeric else "" for column in range(len(header)))
        return (
            opening + "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True)) + "</tr>"
        )

    head = row("th", map(escape, header))
    body = "\n".join(
        row("td", cells, '<tr class="highlighted">' if index in highlighted else "<tr>")
        for index, cells in enumerate(rows)
    )
    content = f"<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="scroll {name}"><table class="{name}">{content}</table></div>'


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Returns figures to be seen first, each as (name, value, note), plain text."""
    inner = "\n".join(
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value">{escape(value)}</div>'
        f'<div class="note">{escape(note)}</div></div>'
        for name, value, note in figures
    )
    return f'<div class="cards">\n{inner}\n</div>'


def warnings(sentences: Iterable[str]) -> str:
    """Returns what the reader should know before the figures, plain text, or nothing."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="warnings">{items}</ul>' if items else ""


def verdicts(judged: Iterable[tuple[str, str]]) -> str:
    """Returns sentences with a mark at their side, each as ("better", "worse" or "not better", plain text)."""
    items = "\n".join(
        f'<li class="{verdict.replace(" ", "-")}">{escape(sentence[:1].upper() + sentence[1:])}.</li>'
        for verdict, sentence in judged
    )
    return f'<ul class="verdicts">\n{items}\n</ul>'


def facts(named: Mapping[str, str]) -> str:
    """Returns short facts side by side, plain text."""
    rows = "\n".join(
        f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>" for name, value in named.items()
    )
    return f'<dl class="facts">\n{rows}\n</dl>'


def pictures(captioned: Iterable[tuple[str, str]]) -> str:
    """Returns pictures side by side, each as (caption, SVG)."""
    figures = (f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in captioned)
    return '<div class="pictures">' + "\n".join(figures) + "</div>"


def interval(low: float, high: float) -> str:
    """Returns an interval of scores as text."""
    return f"{low:.3f}–{high:.3f}"


def threshold(value: float) -> str:
    """Returns the confidence from which there is an answer as text."""
    return "never" if value > 1 else f"{value:.3f}" if value > 0 else "always"


def section(title: str, *parts: str) -> str:
    """Returns a section with a heading; the parts are HTML."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def page(title: str, body: str, style: str = "") -> str:
    """Returns the whole document. Its content policy forbids scripts and any request, whatever a text smuggles in.

    Args:
        title: plain text.
        body: HTML.
        style: CSS of this kind of page, after that of all pages.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{escape(title)}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --line: #d9dee6; --paper: #f5f7fa; --card: #fff;
  --blue: #3b76d6; --blue-cells: 59, 118, 214; --orange-cells: 224, 123, 36; --warning: #fff3df; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #343c48; --paper: #14181e; --card: #1c222b; --blue: #6ea0f2;
    --warning: #3d2f16; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { margin: 0; font-size: 1.8rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 1.15rem; }
p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.subtitle { color: var(--soft); margin: 4px 0 20px; overflow-wrap: anywhere; }
.warnings { background: var(--warning); border-radius: 8px; padding: 12px 16px 12px 32px; margin: 0 0 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin-bottom: 20px; }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.card { padding: 12px 16px; }
.card .name { color: var(--soft); font-size: .85rem; }
.card .value { font-size: 1.7rem; font-weight: 600; line-height: 1.3; }
.card .note { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
section { padding: 18px 20px; margin-bottom: 20px; }
section .card { background: var(--paper); border: 0; }
section .card .value { font-size: 1.4rem; }
.verdicts { list-style: none; margin: 0 0 14px; padding: 0; font-size: 1.1rem; }
.verdicts li { border-left: 4px solid var(--line); padding: 2px 0 2px 12px; margin-bottom: 8px; }
.verdicts .better { border-color: var(--blue); }
.verdicts .worse { border-color: rgb(var(--orange-cells)); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; }
svg { display: block; width: 100%; height: auto; max-width: 460px; }
svg text { font-family: inherit !important; }
.scroll { overflow-x: auto; }
.long { max-height: 640px; overflow-y: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--card); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll + p { margin: 10px 0 0; }
.wide { width: 100%; }
.errors td:first-child:not(:nth-last-child(3)) { width: 60%; }
.label-errors td:first-child:not(:nth-last-child(4)) { width: 45%; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 10px 20px; margin: 0; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.label { unicode-bidi: isolate; overflow-wrap: anywhere; }
.confusion .label { white-space: nowrap; }
.text { min-width: 260px; overflow-wrap: anywhere; white-space: pre-line; }
.bar { display: block; min-width: 80px; height: 10px; margin-top: 6px; border-radius: 3px; background: var(--line); }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--blue); }
.highlighted td { background: var(--paper); font-weight: 600; }
.range { display: block; position: relative; min-width: 140px; height: 10px; margin-top: 6px; border-radius: 3px;
  background: var(--line); }
.range i { position: absolute; top: 3px; height: 4px; border-radius: 2px; background: var(--blue); opacity: .55; }
.range b { position: absolute; top: 0; width: 4px; height: 10px; margin-left: -2px; border-radius: 2px;
  background: var(--blue); }
.off { border-bottom: 2px solid rgb(var(--orange-cells)); }
.confusion th, .confusion td { border: 0; padding: 4px 8px; }
.confusion td { min-width: 34px; text-align: center; border: 1px solid var(--card); border-radius: 4px;
  font-variant-numeric: tabular-nums; vertical-align: middle; }
.confusion tbody th { text-align: right; color: var(--ink); vertical-align: middle; position: sticky; left: 0;
  background: var(--card); }
.confusion thead th { color: var(--ink); text-align: center; }
.dense { font-size: .8rem; }
.dense td { padding: 3px 2px; min-width: 26px; }
.dense thead th { padding: 4px 2px; }
.confusion .upright { writing-mode: vertical-rl; text-align: right; vertical-align: bottom; }
.confusion .zero { color: var(--soft); opacity: .6; }
.confusion .strong { color: #fff; }
.map { display: block; width: min(100%, 520px); image-rendering: pixelated; border: 1px solid var(--line); }
pre { margin: 0; overflow-x: auto; padding: 12px; border-radius: 6px; background: var(--paper); font-size: .88rem; }
"""
