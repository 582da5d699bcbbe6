"""What each part of the ImageNet recipe brings: a config trained with it, and without one part.

    python tools/ablate.py [CONFIG] [--seeds 3] [--work-dir DIR] [--gpus N]

CONFIG is a classifier's with the complete recipe; the default one trains a small MILA on plain
handwritten digits, which are made in data/digits-plain. Complete runs are kept: what was
interrupted goes on where it stopped. In the work dir: results.md and results.json.
"""

import json

import jobs
from grid import Grid, grid_parser, spread
from text_table import markdown

from classification.engine.cli import errors_in_one_sentence

DIGITS = 'configs/quickstart/mila-digits-recipe_1xb64_digits.py'
NO_MESA = {'default_hooks.mesa': None}
VARIANTS = {
    'complete': {},
    'without MESA': NO_MESA,
    'without EMA': {'default_hooks.ema': None, **NO_MESA},  # whose average MESA learns from
    'without mixup': {'model.mixup': None},
}
METRICS = {'accuracy/top1': 'top-1', 'accuracy/ema_top1': 'top-1 of the average (EMA)'}


def table(results):
    """{variant: {metric: [per cent of each seed]}} as Markdown, mean and standard deviation."""
    seeds = len(results['complete']['accuracy/top1'])
    rows = [
        [variant, *(spread(scores[metric]) if scores[metric] else '' for metric in METRICS)]
        for variant, scores in results.items()
    ]
    return markdown([f'recipe, {seeds} seeds', *METRICS.values()], rows)


def main(argv=None):
    args = grid_parser(__doc__, DIGITS).parse_args(argv)
    with errors_in_one_sentence():
        grid = Grid(args.config, VARIANTS, args.seeds, args.work_dir, args.cfg_options, args.gpus)
        grid.find_data()
        jobs.stop_on_sigterm('run it again to go on.')
        grid.train()
        results = {
            variant: {
                metric: [
                    scores[metric]
                    for seed in grid.seeds
                    if metric in (scores := grid.scores(variant, seed))
                ]
                for metric in METRICS
            }
            for variant in VARIANTS
        }
        (grid.work_dir / 'results.md').write_text(table(results) + '\n')
        (grid.work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
        print(f'\n{table(results)}\n\nTable: {grid.work_dir}/results.md')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit('error: interrupted; run it again to go on.') from None
