"""What problems mean for a training: it does not start, or they are said once."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mmengine.logging import print_log

from ...engine.errors import DataError
from .kinds import LEFT_OUT
from .problem import Problem, Severity, printable


def by_kind(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """Problems by their kind: the worst kinds first, of these the most frequent."""
    groups: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[problem.kind].append(problem)
    order = sorted(
        groups.items(), key=lambda item: (-max(p.severity for p in item[1]), -len(item[1]))
    )
    return dict(order)


def refuse_or_log(problems: Sequence[Problem], name: str | None) -> None:
    """Raise DataError where a problem is fatal, else log the doubtful ones with their counts.

    Args:
        problems: of what is about to be trained on.
        name: path of the config, for the command that shows all problems.
    """
    fatal = [problem for problem in problems if problem.severity is Severity.FATAL]
    rest = f'`python tools/check_dataset.py {name or "CONFIG"}` shows all'
    if fatal:
        more = f'; and {_plural(len(fatal) - 1, "more fatal problem")}' if len(fatal) > 1 else ''
        raise DataError(printable(f'{fatal[0]}{more}: {rest}.'))
    doubtful = [problem for problem in problems if problem.severity is Severity.DOUBTFUL]
    lost = [problem for problem in doubtful if problem.kind in LEFT_OUT]
    others = [problem for problem in doubtful if problem.kind not in LEFT_OUT]
    if lost:
        _log(f'{_plural(len(lost), "object")} will not be trained on: {_counts(lost)}; {rest}.')
    if others:
        _log(f'The data are doubtful: {_counts(others)}; {rest}.')


def _plural(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _counts(problems: Iterable[Problem]) -> str:
    return ', '.join(
        f'{len(group)} x {kind} ({group[0].file.name}'
        + (f', {group[0].record})' if group[0].record else ')')
        for kind, group in by_kind(problems).items()
    )


def _log(text: str) -> None:
    print_log(printable(text), logger='current', level=logging.WARNING)
