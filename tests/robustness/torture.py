"""Try all kinds of hostile inputs and faults, and print what became of them as a table.

    python -m tests.robustness.torture [--count 800] [--seed 0] [--only checkpoints images]

Exits with 1 where anything was silent, wrongly refused, a traceback, a crash, a hang or too large.
"""

import argparse
import importlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from tests.robustness.guard import BAD, GOOD, Outcome, run_cases

MODULES = sorted(
    path.stem
    for path in Path(__file__).parent.glob('*.py')
    if not path.stem.startswith(('test_', '_')) and path.stem not in ('guard', 'torture')
)


def try_module(name: str, count: int, seed: int) -> tuple[str, list[Outcome]]:
    """(title, outcomes) of at most `count` cases of a module of this folder."""
    module_name = f'tests.robustness.{name}'
    module = importlib.import_module(module_name)
    names = module.cases(count, seed)[:count]
    outcomes = run_cases(module_name, names, seed)
    return module.TITLE, [*tqdm(outcomes, desc=name, total=len(names), unit='case')]


def as_table(rows: dict[str, list[Outcome]]) -> str:
    """Rows {title: outcomes} as a Markdown table of counts, with their sum."""
    columns = [*GOOD, *BAD]
    lines = [f'| tried | cases | {" | ".join(columns)} |', '|---|' + '---|' * (len(columns) + 1)]
    everything = [outcome for outcomes in rows.values() for outcome in outcomes]
    for title, outcomes in {**rows, '**all**': everything}.items():
        counts = Counter(outcome.outcome for outcome in outcomes)
        cells = ' | '.join(str(counts[column]) for column in columns)
        lines.append(f'| {title} | {len(outcomes)} | {cells} |')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--count', type=int, default=800, help='most cases per kind')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', nargs='+', choices=MODULES, default=MODULES, metavar='MODULE')
    args = parser.parse_args(argv)
    rows = dict(try_module(name, args.count, args.seed) for name in args.only)
    bad = [outcome for outcomes in rows.values() for outcome in outcomes if outcome.outcome in BAD]
    for outcome in bad:
        print(f'{outcome.outcome}: {outcome.name}: {outcome.detail}')
    print(as_table(rows))
    raise SystemExit(bool(bad))


if __name__ == '__main__':
    main()
