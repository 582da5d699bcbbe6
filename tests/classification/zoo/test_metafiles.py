"""The metafiles: complete, honest about what was measured, in one form, and read as typed."""

import re
from collections import Counter
from pathlib import Path

import pytest
import timm
import yaml

import classification  # noqa: F401  registers
from classification import zoo
from classification.zoo.metafiles import FILES

ROOT = Path(__file__).parents[3]
MODELS = zoo.models()
LISTED = zoo.listed()
TASKS = {
    'Image Classification',
    'Object Detection',
    'Instance Segmentation',
    'Semantic Segmentation',
}
ENTRY = """
    Name: x-t
    In Collection: X
    Size: T
    Config: configs/x/x-t.py
    Timm: x_tiny
    Metadata:
      Training Data: D
      Training Resources: 8 GPUs x 2 images
      Parameters: 123
      FLOPs: 456
      FLOPs Shape: 64x32
    Published Counts: {Parameters: 1.2 M, FLOPs: 4.5 G, Throughput: 1152 images/s}
    Results:
      - {Task: Image Classification, Dataset: D, Metrics: {Top 1 Accuracy: 81.5}, Source: Y}
      - {Task: Image Classification, Dataset: D, Metrics: {Top 1 Accuracy: 80}, Measured: here}
    Weights: https://host/w
    Checkpoint: checkpoints/x_tiny.pth
    SHA256: null
"""
FAMILIES = """
Collections:
  - {Name: X, Paper: {Title: 'X: a model', Authors: One and Two, Venue: CVPR 2021}}
  - {Name: Y, Paper: {Title: Y, URL: 'https://host/y', Authors: Three, Venue: CVPR 2022}}
"""


def by_name(model):
    return model.name


@pytest.fixture
def read(tmp_path):
    """A function: text of an entry -> the model that is read from it."""

    def read(entry):
        (tmp_path / 'families.yml').write_text(FAMILIES + 'Models: []')
        (tmp_path / 'models.yml').write_text('Models:\n  - ' + entry.lstrip())
        return zoo.models([tmp_path / 'models.yml', tmp_path / 'families.yml'])[0]

    return read


def test_every_config_has_one_entry_in_the_metafile_of_its_folder():
    for folder in sorted(path for path in (ROOT / 'configs').iterdir() if path.name != '_base_'):
        file = f'configs/{folder.name}/metafile.yml'
        entries = yaml.safe_load((ROOT / file).read_text())['Models']
        listed = [entry['Config'] for entry in entries if 'Config' in entry]
        for config in sorted(folder.glob('*.py')):
            path = config.relative_to(ROOT).as_posix()
            assert listed.count(path) == 1, (
                f'{file} needs one entry of Models with Name: {config.stem} and Config: {path}, '
                'its counts by tools/complexity.py, and Results where a paper prints some; then '
                'run python tools/model_zoo.py.'
            )


@pytest.mark.parametrize('model', MODELS, ids=by_name)
def test_entries(model):
    assert model.config or model.release or model.timm
    if model.config:
        assert (ROOT / model.config).is_file() and Path(model.config).stem == model.name
    for result in model.results:
        assert result.task in TASKS and result.metrics
        assert all(isinstance(value, float) for value in result.metrics.values())
        # Only the digits are trained on here.
        assert result.published is (result.dataset != 'Digits')
        if result.published:
            assert result.source.title and result.source.authors and result.source.venue
    if model.release:
        # Where no address of the file is known, the authors' page is.
        assert (model.release.url or model.collection.code).startswith('https://')
        assert model.release.checkpoint.parent == Path('checkpoints')


@pytest.mark.parametrize('model', [m for m in MODELS if m.timm], ids=by_name)
def test_timm_names(model):
    """That a config builds the model of this name: tests/test_configs.py."""
    assert timm.is_model(model.timm)
    if model.release:
        assert model.release.name == model.timm


@pytest.mark.parametrize('model', [m for m in MODELS if m.published_counts], ids=by_name)
def test_counted_is_what_is_published(model):
    """Within the rounding of what is printed, one per cent of parameters and two of FLOPs.

    Where it is not, and only there, a note says why.
    """
    counts, right = model.published_counts, []
    if counts.parameters:
        printed = zoo.Counts.number(counts.parameters)
        tolerance = rounding(counts.parameters)
        right.append(model.parameters == pytest.approx(printed, rel=0.01, abs=tolerance))
    if counts.flops:
        printed = zoo.Counts.number(counts.flops)
        right.append(model.flops == pytest.approx(printed, rel=0.02, abs=0.06e9))
    assert right and all(right) is (counts.note is None)


@pytest.mark.parametrize('listed', LISTED, ids=by_name)
def test_listed_models_are_not_here(listed):
    """And their family says why."""
    assert listed.collection.remark and listed.published_counts
    assert listed.name not in {model.name for model in MODELS}
    assert all(result.published and result.metrics for result in listed.results)


def rounding(text):
    """Half a unit of the last digit of a printed count."""
    digits = text.split()[0].partition('.')[2]
    return zoo.Counts.number(f'{0.5 / 10 ** len(digits)} {text.split()[1]}')


def test_no_source_repeats_a_figure():
    """Code and configs print no published metric: they ask the zoo for it."""
    figure = re.compile(r'(?:top-1|AP|mIoU)\D{0,4}\d\d\.\d')
    for folder in ('classification', 'detection', 'segmentation', 'tools', 'configs'):
        for file in (ROOT / folder).rglob('*.py'):
            assert not figure.search(file.read_text()), file


def test_names_are_unique():
    assert len({model.name for model in MODELS}) == len(MODELS)
    assert len({listed.name for listed in LISTED}) == len(LISTED)
    releases = [model.release for model in MODELS if model.release]
    assert len({release.checkpoint for release in releases}) == len(releases)
    assert len(zoo.released(MODELS)) == len(releases)
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert [ROOT / file for file in index['Import']] == list(FILES)
    metafiles = [yaml.safe_load((ROOT / file).read_text()) for file in index['Import']]
    families = Counter(c['Name'] for m in metafiles for c in m.get('Collections', []))
    assert families.total() == len(families) > 1


def test_what_configs_start_from_can_be_fetched():
    """Every file that a config expects in checkpoints/ has its weights in the zoo."""
    listed = {model.release.checkpoint.as_posix() for model in MODELS if model.release}
    for path in (ROOT / 'configs').rglob('*.py'):
        for part in path.read_text().split("'"):
            assert not part.startswith('checkpoints/') or part in listed, f'{path}: {part}'


def test_published_top1_by_timm_name():
    figures = zoo.published_top1(MODELS)
    families = {model.collection.name for model in MODELS if model.published('Top 1 Accuracy')}
    assert set(figures) == families > {'MILA', 'VMamba', 'MambaOut', 'Swin', 'Study', 'RAVLT'}
    assert figures['Swin'].keys() == {
        f'swin_{size}_patch4_window7_224' for size in ('tiny', 'small', 'base')
    }
    for model in MODELS:
        if model.timm and (top1 := model.published('Top 1 Accuracy')):
            assert figures[model.collection.name][model.timm] == top1


def test_an_entry_is_read_whole(read):
    model = read(ENTRY)
    assert (model.name, model.label, model.size, model.timm) == ('x-t', 'X-T', 'T', 'x_tiny')
    assert model.collection.citation == 'One and Two, "X: a model", CVPR 2021'
    assert model.training_data == 'D' and model.training_resources == '8 GPUs x 2 images'
    assert (model.parameters, model.flops, model.shape) == (123, 456, (64, 32))
    counts = model.published_counts
    assert zoo.Counts.number(counts.parameters) == 1.2e6
    assert zoo.Counts.number(counts.flops) == 4.5e9
    assert zoo.Counts.number(counts.throughput) == 1152
    published, measured = model.results
    assert published.published and not measured.published
    assert published.source.url == 'https://host/y' and measured.measured == 'here'
    assert model.published('Top 1 Accuracy') == 81.5 and model.measured('Top 1 Accuracy') == 80
    assert model.published('mIoU') is None
    assert model.citation(published) == 'as listed by Three, "Y", CVPR 2022'
    assert model.citation(measured) is None
    assert model.release.name == 'x_tiny' and model.release.sha256 is None
    assert zoo.released([model]) == {'x_tiny': model}
    assert zoo.published_top1([model]) == {'X': {'x_tiny': 81.5}}


def test_weights_without_an_address_and_a_note(read):
    entry = ENTRY.replace('https://host/w', 'null').replace(
        'FLOPs: 4.5 G,', 'FLOPs: 4.5 G, Note: they leave something out,'
    )
    model = read(entry)
    assert model.release.url is None and model.release.name == 'x_tiny'
    assert model.published_counts.note == 'they leave something out'


def test_what_a_family_says(tmp_path):
    file = tmp_path / 'metafile.yml'
    said = 'License: MIT, Needs: a compiler, Recipe: its own, Remark: a reason'
    entry = '{Name: x-t, In Collection: X, Size: T, Metadata: {Training Data: D}, Results: []}'
    file.write_text(
        f'Collections: [{{Name: X, Code: {{URL: here}}, {said}}}]\nListed: [{entry}]\nModels: []'
    )
    (found,) = zoo.listed([file])
    family = found.collection
    assert (family.code, family.license, family.needs) == ('here', 'MIT', 'a compiler')
    assert (family.recipe, family.remark) == ('its own', 'a reason')
    assert (found.label, found.published('mIoU')) == ('X-T', None)
    file.write_text(file.read_text().replace('Results: []', 'Results: [], Timm: x'))
    with pytest.raises(zoo.ZooError, match='x-t: Timm is missing or unknown'):
        zoo.listed([file])


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('Size: T', 'Sise: T', 'x-t: Sise is missing or unknown'),
        ('FLOPs: 456', 'Flops: 456', 'FLOPs is missing'),
        ('Parameters: 123', 'Parameters: 123\n      Epochs: 1', 'Epochs is .* unknown'),
        ('Throughput', 'Speed', 'Speed is .* unknown'),
        ('In Collection: X', 'In Collection: Z', 'Z is missing'),
        ('Source: Y', 'Source: Z', 'Z is missing'),
        (', Source: Y', '', 'Source or Measured'),
        ('Source: Y', 'Source: Y, Measured: here', 'Source or Measured'),
        ('Source: Y', 'Source: Y, Published: true', 'Published is .* unknown'),
        ('Checkpoint: checkpoints/x_tiny.pth', '', 'Checkpoint is missing'),
        ('SHA256: null', 'SHA256: 0123', 'x-t: SHA256 .64 hexadecimal digits in quotes, or null.'),
        ('SHA256: null', "SHA256: 'abc'", 'x-t: SHA256 .64 hexadecimal digits in quotes, or null.'),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_it(read, old, new, message):
    assert ENTRY.count(old) == 1
    with pytest.raises(zoo.ZooError, match=message):
        read(ENTRY.replace(old, new))
