"""The model zoo: what model-index.yml and the metafiles of configs/ say, as a page.

    python tools/model_zoo.py            # write docs/model_zoo.md
    python tools/model_zoo.py --check    # fail where it is out of date

The files are in OpenMMLab's form, for `mim` too. Further keys here: a result's `Published: true`
(with Source: printed elsewhere, not measured here) or false (with Measured: where and how), and of
released weights the file's `Checkpoint` (where configs look for it) and `SHA256` (null: none is
published).
"""

import argparse
import os
import sys
from pathlib import Path

import yaml
from text_table import markdown

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


def read_models(index=ROOT / 'model-index.yml'):
    """The entries of all metafiles that an index imports, in their order."""
    folder = Path(index).parent
    files = yaml.safe_load(Path(index).read_text())['Import']
    metafiles = [yaml.safe_load((folder / file).read_text()) for file in files]
    return [model for metafile in metafiles for model in metafile['Models']]


def page(models, folder=PAGE.parent):
    """The models as Markdown, a table for each data set."""
    tables = {}
    for model in models:
        tables.setdefault(model['Metadata']['Training Data'], []).append(model)
    parts = [HEAD]
    for data, rows in tables.items():
        parts.append(f'## {data}\n')
        parts.append(markdown(TITLES, [_cells(model, folder) for model in rows]))
        parts.append('')
    results = [result for model in models for result in model.get('Results', [])]
    sources = sorted({result['Source'] for result in results if result['Published']})
    ways = sorted({result['Measured'] for result in results if not result['Published']})
    parts += ['## Sources of the published figures\n', *(f'- {source}' for source in sources)]
    parts += ['\n## How the measured figures came about\n', *(f'- {way}' for way in ways)]
    return '\n'.join(parts) + '\n'


def _cells(model, folder):
    name, metadata = model['Name'], model['Metadata']
    if 'Config' in model:
        name = f'[{name}]({os.path.relpath(ROOT / model["Config"], folder)})'
    results = model.get('Results', [])
    published, measured = (
        '; '.join(_metrics(result) for result in results if result['Published'] is wanted) or 'none'
        for wanted in (True, False)
    )
    weights = f'[{_fetch_name(model)}]({model["Weights"]})' if 'Weights' in model else ''
    flops = f'{metadata["FLOPs"] / 1e9:.2f} G ({metadata["FLOPs Shape"]})'
    params = f'{metadata["Parameters"] / 1e6:.2f} M'
    return name, params, flops, published, measured, weights


def _metrics(result):
    return ', '.join(f'{name} {value}' for name, value in result['Metrics'].items())


def _fetch_name(model):
    return Path(model['Checkpoint']).stem


def released(models):
    """Name of released weights -> their entry."""
    return {_fetch_name(model): model for model in models if 'Weights' in model}


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    text = page(read_models())
    if not args.check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit(f'error: {PAGE} is out of date: run `python tools/model_zoo.py`.')


if __name__ == '__main__':
    main()
