"""See what a model looks at.

    python tools/explain.py attention MODEL IMAGE --point X Y
    python tools/explain.py positions MODEL IMAGE --point X Y
    python tools/explain.py features MODEL IMAGE
    python tools/explain.py cam MODEL IMAGE --class cat
    python tools/explain.py erf mila_tiny vmamba_tiny swin_tiny_patch4_window7_224 --size 224 512

MODEL is a work dir or a checkpoint in one, a config, or the name of a timm model; the last two
have random weights, unless =CHECKPOINT stands behind them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.annotations.files.images import list_images
from classification.engine.cli import errors_in_one_sentence
from classification.engine.images import read_image
from classification.explanation import explaining
from classification.explanation.subject import open_subject


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest='show', required=True, metavar='WHAT')

    def add(name: str, text: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=text, description=text)
        added.add_argument('--out', type=Path, default=Path(f'{name}.jpg'), metavar='FILE.jpg')
        added.add_argument('--device', default='cpu', help='such as cuda:0; default: cpu')
        return added

    def add_of_image(name: str, text: str) -> argparse.ArgumentParser:
        added = add(name, text)
        added.add_argument('model', metavar='MODEL')
        added.add_argument('image', metavar='IMAGE')
        added.add_argument('--size', type=int, default=224, help='of images for a timm model')
        return added

    point = dict(nargs=2, type=int, metavar=('X', 'Y'))
    for name, text in (
        ('attention', 'what the pixel at a point attends to, in the last block of each stage'),
        ('positions', "what MILA's RoPE, LePE and CPE each add to what is read at a point"),
    ):
        one = add_of_image(name, text)
        one.add_argument('--point', **point, required=True, help='of the image, in pixels')
    add_of_image('features', "the stages' features, their three principal components as colours")
    cam = add_of_image('cam', 'where a stage speaks for a class, a box or a mask (Grad-CAM)')
    cam.add_argument('--class', dest='label', metavar='NAME', help='or its number; default: best')
    cam.add_argument('--point', **point, help='in the object or the class that is meant')
    cam.add_argument('--mask', action='store_true', help="an object's mask, not its box")
    cam.add_argument('--stage', type=int, help='from 1; default: the last')
    erf = add('erf', 'effective receptive fields of models, side by side')
    erf.add_argument('models', nargs='+', metavar='MODEL')
    erf.add_argument('--size', type=int, nargs='+', default=[224], help='sides of the images')
    erf.add_argument('--number', type=int, default=4, help='of images; default: 4')
    erf.add_argument('--images', type=Path, metavar='DIR', help='default: random noise')
    return parser.parse_args(argv)


def explain(args: argparse.Namespace) -> None:
    """Write the picture that the arguments ask for."""
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.show == 'erf':
        subjects = [open_subject(name, args.device) for name in args.models]
        files = list_images(args.images)[: args.number] if args.images else []
        pictures = [read_image(file) for file in files]
        figure = explaining.show_fields(subjects, args.size, pictures, args.number)
        figure.savefig(args.out, dpi=120)
        return
    picture = read_image(args.image)
    subject = open_subject(args.model, args.device, args.size)
    if args.show == 'attention':
        sheet = explaining.show_attention(subject, picture, tuple(args.point))
    elif args.show == 'positions':
        sheet = explaining.show_positions(subject, picture, tuple(args.point))
    elif args.show == 'features':
        sheet = explaining.show_features(subject, picture)
    else:
        point = tuple(args.point) if args.point else None
        stage = args.stage - 1 if args.stage else -1
        sheet = explaining.show_activation(subject, picture, args.label, point, args.mask, stage)
    sheet.save(args.out)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        explain(args)
        print(f'{args.out} is written')


if __name__ == '__main__':
    main()
