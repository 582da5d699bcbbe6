"""The model zoo: what model-index.yml and the metafiles of configs/ say, as a page.

python tools/model_zoo.py            # write docs/model_zoo.md
python tools/model_zoo.py --check    # fail where it is out of date
"""

import argparse
import os
import sys
from pathlib import Path

from classification.visualization.tables import markdown
from classification.zoo import models

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs/model_zoo.md'
TITLES = ('model', 'parameters', 'FLOPs (height x width)', 'published', 'measured', 'weights')
HEAD = """# Model zoo

Made by `python tools/model_zoo.py` from [model-index.yml](../model-index.yml): change it there.

**Nothing in this repository is trained on ImageNet, COCO or ADE20K.** Figures under "published" are
printed in the papers, for trainings of the papers' authors; "measured" are trainings of this
repository. Parameters and FLOPs are counted by `tools/complexity.py`. Weights with a name are
fetched to where the configs expect them by `python tools/fetch.py NAME`.
"""


def page(zoo, folder=PAGE.parent):
    """The models as Markdown, a table for each data set."""
    tables = {}
    for model in zoo:
        tables.setdefault(model.training_data, []).append(model)
    parts = [HEAD]
    for data, rows in tables.items():
        parts.append(f'## {data}\n')
        parts.append(markdown(TITLES, [_cells(model, folder) for model in rows]))
        parts.append('')
    results = [(model, result) for model in zoo for result in model.results]
    sources = sorted({model.citation(result) for model, result in results if result.published})
    ways = sorted({result.measured for _, result in results if not result.published})
    parts += ['## Sources of the published figures\n', *(f'- {source}' for source in sources)]
    parts += ['\n## How the measured figures came about\n', *(f'- {way}' for way in ways)]
    return '\n'.join(parts) + '\n'


def _cells(model, folder):
    name = model.name
    if model.config:
        name = f'[{name}]({os.path.relpath(ROOT / model.config, folder)})'
    published, measured = (
        '; '.join(_metrics(result) for result in model.results if result.published is wanted)
        or 'none'
        for wanted in (True, False)
    )
    weights = f'[{model.release.name}]({model.release.url})' if model.release else ''
    flops = f'{model.flops / 1e9:.2f} G ({model.shape[0]}x{model.shape[1]})'
    return name, f'{model.parameters / 1e6:.2f} M', flops, published, measured, weights


def _metrics(result):
    return ', '.join(f'{name} {value}' for name, value in result.metrics.items())


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    text = page(models())
    if not args.check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit(f'error: {PAGE} is out of date: run `python tools/model_zoo.py`.')


if __name__ == '__main__':
    main()
