"""What each part of the ImageNet recipe brings: a config trained with it, and without one part.

    python tools/ablate.py [CONFIG] [--seeds 3] [--work-dir DIR] [--gpus N]

CONFIG is a classifier's with the complete recipe; the default one trains a small MILA on plain
handwritten digits, which are made in data/digits-plain. Complete runs are kept: what was
interrupted goes on where it stopped. In the work dir: results.md and results.json.
"""

from classification.engine.cli import errors_in_one_sentence
from classification.experiments.ablation import DIGITS, Ablation
from classification.experiments.cli import grid_parser, interruptible


def main(argv: list[str] | None = None) -> None:
    args = grid_parser(__doc__, DIGITS).parse_args(argv)
    with interruptible('run it again to go on.'), errors_in_one_sentence():
        ablation = Ablation(args.config, args.seeds, args.work_dir, args.cfg_options, args.gpus)
        table = ablation.run()
        print(f'\n{table}\n\nTable: {ablation.work_dir}/results.md')


if __name__ == '__main__':
    main()
