"""What is known about a set of annotated images, as text for a terminal."""

from collections.abc import Iterator, Sequence

from ..problems.problem import Problem, Severity, printable
from ..problems.verdict import by_kind
from ..records import Annotations
from .summary import Summary, share_names

_SHOWN = 3  # problems of each kind


def describe(annotations: Annotations, summary: Summary) -> str:
    """Counts of images, classes and sizes, a line each."""
    lines = [*annotations.notes]
    total = sum(summary.images.values())
    splits = ', '.join(f'{name or "no split"} {summary.images[name]}' for name in summary.splits)
    lines.append(f'{total} images ({splits}) in layout {annotations.layout}')
    if summary.sides:
        (w1, w2, w3), (h1, h2, h3) = summary.sides
        lines.append(
            f'image widths {w1} to {w3} (median {w2:g}), heights {h1} to {h3} (median {h2:g})'
        )
    if summary.what == 'objects' and total:
        lines += _objects(summary)
    width = max([len(printable(name)) for name in annotations.classes], default=0)
    for name, counts in summary.examples.items():
        parts = ', '.join(f'{split or "all"} {counts[split]}' for split in summary.splits)
        lines.append(
            f'  {printable(name):{width}}  {sum(counts.values())} {summary.what} ({parts}), '
            f'in {summary.holders[name]} images'
        )
    return '\n'.join(lines)


def _objects(summary: Summary) -> Iterator[str]:
    count = sum(sum(counts.values()) for counts in summary.examples.values()) + summary.crowds
    yield (
        f'{count} objects, {summary.masks} with a mask, {summary.crowds} crowds; '
        f'{sum(summary.empty.values())} images without objects'
    )
    sizes = ', '.join(f'{summary.sizes[name]} {name}' for name in ('small', 'medium', 'large'))
    yield f'objects by size: {sizes} (under 32 x 32, under 96 x 96 pixels, above)'
    shares = zip(share_names(), summary.shares, strict=True)
    yield 'objects by share of the image: ' + ', '.join(f'{name}: {n}' for name, n in shares)


def list_problems(problems: Sequence[Problem]) -> str:
    """Problems grouped by kind, fatal ones first, with the first few of each kind."""
    if not problems:
        return 'No problems were found.'
    lines = []
    for kind, group in by_kind(problems).items():
        severity = max(problem.severity for problem in group)
        lines.append(f'{severity.name.lower()}: {len(group)} x {kind}: {group[0].cure}')
        for problem in group[:_SHOWN]:
            place = f'{problem.file}, {problem.record}' if problem.record else str(problem.file)
            detail = f' ({problem.detail})' if problem.detail else ''
            lines.append(printable(f'    {place}{detail}'))
        if len(group) > _SHOWN:
            lines.append(f'    and {len(group) - _SHOWN} more')
    counts = ', '.join(
        f'{sum(p.severity is severity for p in problems)} {severity.name.lower()}'
        for severity in sorted(Severity, reverse=True)
    )
    return '\n'.join([*lines, f'{len(problems)} problems: {counts}.'])
