"""A page to look at: what a set of annotated images holds, what is wrong, and samples drawn."""

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from ...engine.errors import DataError
from ...visualization.drawing import Colour, class_colours
from ..problems.problem import Problem, Severity, printable
from ..problems.verdict import by_kind
from ..records import AnnotatedImage, Annotations
from .pictures import choose_samples, draw
from .summary import Summary, share_names

_LISTED = 50  # problems of each kind
_SIDE = 360  # pixels of a sample

_STYLE = """
:root { --ink: #1c2430; --soft: #667085; --line: #e4e7ec; --card: #fff; --page: #f6f7f9;
  --bar: #3b6fd4; --fatal: #b42318; --doubtful: #b54708; --harmless: #475467; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #344054;
  --card: #1d2430; --page: #131820; --bar: #7aa2f7; --fatal: #f97066; --doubtful: #fdb022;
  --harmless: #98a2b3; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 60px }
h1 { margin: 0; font-size: 26px; overflow-wrap: anywhere }
h2 { margin: 36px 0 12px; font-size: 18px }
p { margin: 4px 0; color: var(--soft); overflow-wrap: anywhere }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin-top: 20px }
.card, details, table { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px }
.card { padding: 12px 16px } .card b { display: block; font-size: 22px; white-space: nowrap }
.card span { color: var(--soft) }
.fatal { color: var(--fatal) } .doubtful { color: var(--doubtful) }
.harmless { color: var(--harmless) }
details { margin: 8px 0; padding: 10px 16px } summary { cursor: pointer; overflow-wrap: anywhere }
summary b { margin-right: 8px; text-transform: uppercase; font-size: 12px; letter-spacing: .04em }
li { overflow-wrap: anywhere; font-size: 13px } ul { margin: 8px 0 0; padding-left: 20px }
table { width: 100%; border-collapse: collapse; border-spacing: 0; overflow: hidden }
td, th { padding: 6px 12px; text-align: right; border-top: 1px solid var(--line);
  font-variant-numeric: tabular-nums } th { color: var(--soft); font-weight: 500; border-top: 0 }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere }
td.bar { width: 40%; text-align: left } td.bar i { display: block; height: 12px; min-width: 2px;
  border-radius: 3px }
i.dot { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 8px }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 12px }
figure { margin: 0; padding: 8px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px }
figure img { display: block; width: 100%; height: 220px; object-fit: contain }
figcaption { margin-top: 6px; font-size: 12px; color: var(--soft); overflow-wrap: anywhere }
"""


def write_sheet(
    file: Path,
    annotations: Annotations,
    problems: Sequence[Problem],
    summary: Summary,
    samples: int = 24,
) -> None:
    """Write a page of HTML that needs no other file.

    Args:
        file: to write.
        annotations: the set.
        problems: all that was found.
        summary: of the set.
        samples: how many images are drawn.
    """
    colours = class_colours({'classes': annotations.classes})
    body = [
        f'<h1>{_text(annotations.root)}</h1>',
        *(f'<p>{_text(note)}</p>' for note in annotations.notes),
        _cards(annotations, problems, summary),
        '<h2>Problems</h2>',
        *_problems(problems),
        f'<h2>{summary.what.capitalize()} per class</h2>',
        _classes(summary, colours),
        *_sizes(summary),
        '<h2>Samples</h2><div class="grid">',
        *(_figure(image, annotations, colours) for image in choose_samples(annotations, samples)),
        '</div>',
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_text(annotations.root.name)}</title><style>{_STYLE}</style></head>'
        f'<body><main>{"".join(body)}</main></body></html>\n'
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding='utf-8')


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _cards(annotations: Annotations, problems: Sequence[Problem], summary: Summary) -> str:
    cards = [(f'{summary.images[name]:,}', f'{name} images'.strip()) for name in summary.splits]
    cards.append((str(len(annotations.classes)), 'classes'))
    if summary.what == 'objects':
        count = sum(sum(counts.values()) for counts in summary.examples.values()) + summary.crowds
        cards += [(f'{count:,}', 'objects'), (f'{summary.masks:,}', 'with a mask')]
        cards.append((f'{sum(summary.empty.values()):,}', 'images without objects'))
    if summary.sides:
        (_, width, _), (_, height, _) = summary.sides
        cards.append((f'{width:g} x {height:g}', 'median width x height'))
    parts = [f'<div class="card"><b>{n}</b><span>{label}</span></div>' for n, label in cards]
    for severity in sorted(Severity, reverse=True):
        count, name = sum(p.severity is severity for p in problems), severity.name.lower()
        style = f' class="{name}"' if count else ''
        parts.append(f'<div class="card"><b{style}>{count:,}</b><span>{name}</span></div>')
    return f'<div class="cards">{"".join(parts)}</div>'


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    if not problems:
        yield '<p>None were found.</p>'
    for kind, group in by_kind(problems).items():
        severity = max(problem.severity for problem in group)
        name = severity.name.lower()
        items = ''.join(f'<li>{_text(_place(problem))}</li>' for problem in group[:_LISTED])
        if len(group) > _LISTED:
            items += f'<li>and {len(group) - _LISTED:,} more</li>'
        unfolded = ' open' if severity is Severity.FATAL else ''
        yield (
            f'<details{unfolded}><summary><b class="{name}">{name}</b>{len(group):,} × '
            f'{_text(kind)}</summary><p>Cure: {_text(group[0].cure)}.</p><ul>{items}</ul></details>'
        )


def _place(problem: Problem) -> str:
    parts = [str(problem.file), problem.record, problem.detail]
    return ', '.join(part for part in parts if part)


def _classes(summary: Summary, colours: Sequence[Colour]) -> str:
    splits = summary.splits
    heads = ''.join(f'<th>{_text(name or "all")}</th>' for name in splits)
    most = max([sum(counts.values()) for counts in summary.examples.values()], default=0) or 1
    rows = []
    for colour, (name, counts) in zip(colours, summary.examples.items(), strict=True):
        paint = 'background: rgb({}, {}, {})'.format(*colour)
        cells = ''.join(f'<td>{counts[split]:,}</td>' for split in splits)
        rows.append(
            f'<tr><td><i class="dot" style="{paint}"></i>{_text(name)}</td>{cells}'
            f'<td>{summary.holders[name]:,}</td><td class="bar">'
            f'{_bar(sum(counts.values()), most, paint)}</td></tr>'
        )
    return f'<table><tr><th>class</th>{heads}<th>images</th><th></th></tr>{"".join(rows)}</table>'


def _bar(count: int, most: int, paint: str = 'background: var(--bar)') -> str:
    return f'<i style="width: {100 * count / most:.1f}%; {paint}"></i>' if count else ''


def _sizes(summary: Summary) -> Iterator[str]:
    if summary.what != 'objects' or not sum(summary.sizes.values()):
        return
    names = dict(small='under 32 x 32 pixels', medium='under 96 x 96', large='96 x 96 and above')
    by_size = [(f'{name}: {text}', summary.sizes[name]) for name, text in names.items()]
    by_share = [*zip(share_names(), summary.shares, strict=True)]
    for title, rows in (('size', by_size), ('share of the image', by_share)):
        most = max(count for _, count in rows) or 1
        cells = ''.join(
            f'<tr><td>{name}</td><td>{count:,}</td><td class="bar">{_bar(count, most)}</td></tr>'
            for name, count in rows
        )
        yield f'<h2>Objects by {title}</h2><table>{cells}</table>'


def _figure(image: AnnotatedImage, annotations: Annotations, colours: Sequence[Colour]) -> str:
    try:
        picture = draw(image, annotations, colours, _SIDE)
    except (DataError, OSError, ValueError):  # a problem names it
        picture = Image.new('RGB', (_SIDE, _SIDE), (128, 128, 128))
    data = io.BytesIO()
    picture.save(data, 'JPEG', quality=85)
    source = base64.b64encode(data.getvalue()).decode()
    name = image.path.relative_to(annotations.root) if _below(image, annotations) else image.path
    size = '{}x{}'.format(*image.size) if image.size else ''
    return (
        f'<figure><img src="data:image/jpeg;base64,{source}" alt="" loading="lazy">'
        f'<figcaption>{_text(name)} {size}</figcaption></figure>'
    )


def _below(image: AnnotatedImage, annotations: Annotations) -> bool:
    return image.path.is_relative_to(annotations.root)
