"""Which mixing of tokens needs which memory? The MambaOut question, on canvases of digits.

    python tools/memory.py [--mixers NAME …] [--sides 5 10 15] [--seeds 3] [--steps 600]
        [--work-dir DIR]

Every mixer is trained on canvases of each size, a core for each run, without any data but what
scikit-learn bundles. Complete runs are kept: an interrupted study goes on with those that are
missing. In the work dir: results.md, size.png and offset.png, which docs/study.md explains.
"""

import argparse
from pathlib import Path

from classification.engine.cli import errors_in_one_sentence
from classification.experiments import memory_report
from classification.experiments.cli import interruptible
from classification.experiments.memory import MIXERS, Budget, MemoryStudy


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--mixers',
        nargs='+',
        choices=MIXERS,
        default=list(MIXERS),
        metavar='NAME',
        help=f'of {"; ".join(MIXERS)}; default: all',
    )
    parser.add_argument('--sides', nargs='+', type=int, default=[5, 10, 15], metavar='CELLS')
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each; default: 3')
    parser.add_argument('--steps', type=int, default=Budget.steps, help='of each training')
    parser.add_argument('--tested', type=int, default=Budget.tested, help='canvases of each test')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/memory'))
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.steps < 1 or args.tested < 1 or min(args.sides) < 2:
        parser.error('--seeds, --steps and --tested are from 1, --sides from 2')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with interruptible('run the study again to go on.'), errors_in_one_sentence():
        study = MemoryStudy(
            args.work_dir,
            args.mixers,
            args.sides,
            args.seeds,
            Budget(steps=args.steps, tested=args.tested),
        )
        study.train()
        results = study.results()
        table = memory_report.table(results)
        (study.work_dir / 'results.md').write_text(table + '\n')
        memory_report.size_figure(study.work_dir / 'size.png', results)
        memory_report.offset_figure(study.work_dir / 'offset.png', results, max(args.sides))
        print(f'\n{table}\n\nTable and figures: {study.work_dir}')


if __name__ == '__main__':
    main()
