"""A web page in one file: sections of text, tables, figures and pictures, all inside it.

It loads nothing and runs nothing. Every string is escaped where it enters: what has the type Html
was made here.
"""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from .page_style import STYLE

_ROWS = 25  # of a table; more are folded


class Html(str):
    """A string that is HTML already; any other is escaped where it enters a page."""


Cell = str | int | float | None


@dataclass
class Section:
    """A part of the page.

    Attributes:
        title: also what the list of contents shows.
        content: what stands below it, in this order.
    """

    title: str
    content: Sequence[Html]


def page(title: str, subtitle: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole page, with links to its sections."""
    links = ''.join(
        f'<a href="#part{i}">{html.escape(part.title)}</a>' for i, part in enumerate(sections)
    )
    lines = ''.join(f'<p>{html.escape(line)}</p>' for line in subtitle)
    body = ''.join(
        f'<section id="part{i}"><h2>{html.escape(part.title)}</h2>{"".join(part.content)}</section>'
        for i, part in enumerate(sections)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Whatever a string might still smuggle in, a browser loads and runs nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><main>'
        f'<header><h1>{html.escape(title)}</h1>{lines}<nav>{links}</nav></header>'
        f'{body}</main></body></html>\n'
    )


def paragraph(text: str, note: bool = False) -> Html:
    """A paragraph; a note is grey."""
    return Html(f'<p{" class=note" if note else ""}>{html.escape(text)}</p>')


def heading(text: str) -> Html:
    """A title inside a section."""
    return Html(f'<h3>{html.escape(text)}</h3>')


def code(text: str) -> Html:
    """Commands or a config, as they are."""
    return Html(f'<pre>{html.escape(text)}</pre>')


def folded(title: str, content: Html) -> Html:
    """What opens by a click."""
    return Html(f'<details><summary>{html.escape(title)}</summary>{content}</details>')


def tiles(values: Iterable[tuple[str, str]]) -> Html:
    """(name, value) pairs as large figures."""
    cells = (
        f'<div class=tile><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
        for name, value in values
    )
    return Html(f'<div class=tiles>{"".join(cells)}</div>')


def name_of(text: str) -> Html:
    """A name of any length and script: cut where it is long, whole under the pointer."""
    escaped = html.escape(text)
    return Html(f'<bdi class=name title="{escaped}">{escaped}</bdi>')


def bar(value: float | None, text: str) -> Html:
    """A bar of a share from 0 to 1 with its figure; None is an empty place."""
    if value is None:
        return Html(html.escape(text))
    width = 100 * min(max(value, 0), 1)
    return Html(f'<span class=bar><i style="width:{width:.1f}%"></i></span>{html.escape(text)}')


def colour_key(entries: Iterable[tuple[str, str]]) -> Html:
    """(colour, meaning) pairs in a line."""
    cells = (
        f'<span class=entry><i style="background:{colour}"></i>{html.escape(text)}</span> '
        for colour, text in entries
    )
    return Html(f'<p class="note key">{"".join(cells)}</p>')


def table(titles: Sequence[str], rows: Sequence[Sequence[Cell]], text: Sequence[int] = ()) -> Html:
    """A table, whose first column and those in `text` are of words; what is long is folded."""
    head = f'<thead>{_row(titles, "th", text)}</thead>'
    shown, rest = rows[:_ROWS], rows[_ROWS:]
    more = folded(f'{len(rest)} more', _table(head, rest, text)) if rest else ''
    return Html(_table(head, shown, text) + more)


def _table(head: str, rows: Sequence[Sequence[Cell]], text: Sequence[int]) -> Html:
    body = ''.join(_row(row, 'td', text) for row in rows)
    return Html(f'<div class=scroll><table>{head}<tbody>{body}</tbody></table></div>')


def _row(cells: Sequence[Cell], tag: str, text: Sequence[int]) -> str:
    parts = (
        f'<{tag}{" class=text" if i in text else ""}>{_cell(cell)}</{tag}>'
        for i, cell in enumerate(cells)
    )
    return f'<tr>{"".join(parts)}</tr>'


def _cell(cell: Cell) -> str:
    if cell is None:
        return '–'
    return cell if isinstance(cell, Html) else html.escape(str(cell))


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: np.ndarray,
    corner: str = 'truth ↓ predicted →',
) -> Html:
    """A confusion matrix: shares of each row as shades, blue on the diagonal, else vermillion.

    Args:
        rows, columns: names of the classes.
        counts: (rows, columns), not negative; the share of a row is under the pointer.
        corner: what the rows and the columns are.
    """
    head = ''.join(f'<th>{name_of(name)}</th>' for name in columns)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    lines = []
    for i, name in enumerate(rows):
        cells = ''.join(_shaded(counts[i, j], shares[i, j], i == j) for j in range(len(columns)))
        lines.append(f'<tr><th>{name_of(name)}</th>{cells}</tr>')
    head = f'<thead><tr><th>{html.escape(corner)}</th>{head}</tr></thead>'
    body = f'<tbody>{"".join(lines)}</tbody>'
    return Html(f'<div class=scroll><table class=matrix>{head}{body}</table></div>')


def _shaded(count: float, share: float, right: bool) -> str:
    if not count:
        return '<td></td>'
    colour = '0,114,178' if right else '213,94,0'
    ink = ';color:#fff' if share > 0.6 else ''
    return (
        f'<td title="{100 * share:.1f} % of the row" '
        f'style="background:rgba({colour},{0.08 + 0.92 * share:.2f}){ink}">{_short(count)}</td>'
    )


def _short(count: float) -> str:
    """A count in at most five characters."""
    for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if count >= 10 * size:
            return f'{count / size:.0f}{unit}'
    return f'{count:.0f}'


def vector(figure: Figure, caption: str = '') -> Html:
    """A figure of matplotlib as SVG, whose text the browser writes with its own fonts."""
    file = io.StringIO()
    figure.tight_layout()
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'report'}):
        figure.savefig(file, format='svg', metadata={'Date': None}, transparent=True)
    text = file.getvalue()
    return _figure(text[text.index('<svg') :], caption)


def picture(image: Image.Image, caption: str = '', side: int = 640) -> Html:
    """A picture as JPEG, made smaller where it is wider or higher than `side` pixels."""
    image = image.convert('RGB')
    image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, 'JPEG', quality=82)
    data = base64.b64encode(file.getvalue()).decode()
    size = f'width={image.width} height={image.height}'
    return _figure(
        f'<img src="data:image/jpeg;base64,{data}" {size} alt="{html.escape(caption)}">', caption
    )


def _figure(content: str, caption: str) -> Html:
    text = f'<figcaption>{html.escape(caption)}</figcaption>' if caption else ''
    return Html(f'<figure>{content}{text}</figure>')


def beside(figures: Iterable[Html], width: str = 'plots') -> Html:
    """Figures beside each other as far as there is room: 'thumbnails', 'plots' or 'pictures'."""
    return Html(f'<div class={width}>{"".join(figures)}</div>')
