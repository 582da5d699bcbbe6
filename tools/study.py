"""Train every row of the empirical study with equal budgets and seeds: which design matters?

    python tools/study.py [CONFIG] [--seeds 3] [--rows NAME …] [--work-dir DIR] [--gpus N]

CONFIG says all but the model's name; the default one takes plain handwritten digits, which are made
in data/digits-plain. For ImageNet, or other folders of images, give
configs/study/study-baseline_8xb128_in1k.py. --seeds 0 trains nothing: counts and speed alone.

Complete runs are kept: an interrupted study goes on where it stopped. In the work dir: results.md,
results.json, study.png, and two pictures of what trained models do, attention.png and decay.png.
"""

import json

import jobs
import study_report
import torch
from complexity import complexity
from grid import Grid, grid_parser
from mmengine.registry import DATASETS, MODELS

from classification.engine.cli import errors_in_one_sentence
from classification.engine.loading import load_weights
from classification.models import ROWS
from classification.timing import interleaved

DIGITS = 'configs/study/study-baseline_1xb64_digits.py'
ROUNDS = 15
SHOWN = 3  # images in the pictures


class Study(Grid):
    """Rows of the study as variants of one config: all but the model's name is the same."""

    def __init__(self, args):
        variants = {row: {'model.model.name': f'study_{row}'} for row in args.rows}
        super().__init__(
            args.config, variants, args.seeds, args.work_dir, args.cfg_options, args.gpus
        )

    def results(self, batch):
        """For each row: parameters, FLOPs, speed over the baseline's, and the seeds' top-1."""
        size = self.cfg().model.model.get('img_size', 224)
        costs = {row: complexity(self.cfg(row), (size, size)) for row in self.variants}
        speed = self.speed(batch, size)
        return {
            row: dict(
                params=costs[row]['params'],
                flops=costs[row]['flops'],
                speed=speed[row],
                top1=[self.scores(row, seed)['accuracy/top1'] for seed in self.seeds],
            )
            for row in self.variants
        }

    def speed(self, batch, size):
        """Images/s in a forward pass over the baseline's, all rows by turns."""
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        images = torch.randn(batch, 3, size, size, device=device)
        models = {row: MODELS.build(self.cfg(row).model).to(device).eval() for row in self.variants}
        steps = {row: lambda model=model: model(images) for row, model in models.items()}
        with torch.no_grad():
            times = interleaved(steps, ROUNDS, device=device, on_round=_show_round)
        median = {row: torch.tensor(t).median().item() for row, t in times.items()}
        return {row: median['baseline'] / median[row] for row in self.variants}

    def model(self, row):
        """The timm model of a row as trained with the first seed."""
        classifier = MODELS.build(self.cfg(row).model)
        load_weights(classifier, self.checkpoint(row))
        return classifier.backbone.eval()

    def report(self, batch):
        results = self.results(batch)
        table = study_report.table(results, ROWS)
        (self.work_dir / 'results.md').write_text(table + '\n')
        (self.work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
        if self.seeds:
            study_report.figure(self.work_dir / 'study.png', results, ROWS)
            self.pictures()
        return table

    def pictures(self):
        """What the positions and the forget gate do, for a few pictures of the validation set."""
        dataset = DATASETS.build(self.cfg().val_dataloader.dataset)
        shown = range(0, len(dataset), len(dataset) // SHOWN)[:SHOWN]
        images = torch.stack([dataset[i]['inputs'] for i in shown])
        models = {row: self.model(row) for row in study_report.POSITIONS if row in self.variants}
        study_report.attention_picture(self.work_dir / 'attention.png', models, images)
        if 'forget_gate' in self.variants:
            study_report.decay_picture(
                self.work_dir / 'decay.png', self.model('forget_gate'), images
            )


def _show_round(done):
    print(f'\rspeed: round {done}/{ROUNDS + 1}', end='' if done <= ROUNDS else '\n', flush=True)


def parse_args(argv=None):
    parser = grid_parser(__doc__, DIGITS)
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=ROWS,
        default=list(ROWS),
        metavar='NAME',
        help=f'of {", ".join(ROWS)}; default: all',
    )
    parser.add_argument('--batch', type=int, default=32, help='images at a time to measure speed')
    args = parser.parse_args(argv)
    if args.seeds < 0 or args.gpus < 0 or args.batch < 1:
        parser.error('--seeds and --gpus are from 0, --batch from 1')
    # What the others are compared with.
    args.rows = ['baseline', *(row for row in args.rows if row != 'baseline')]
    return args


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        study = Study(args)
        if study.seeds:
            study.find_data()
        jobs.stop_on_sigterm('run the study again to go on.')
        study.train()
        print(f'\n{study.report(args.batch)}\n\nTable, figure and pictures: {study.work_dir}')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit('error: interrupted; run the study again to go on.') from None
