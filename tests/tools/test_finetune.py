"""tools/finetune.py: from a folder to a model and its report, in one command."""

from pathlib import Path

import pytest
import torch

from classification.engine.configs.loading import load_config
from classification.finetuning import run as finetuning
from classification.finetuning.trial import Trial

SMALL = [
    '--model',
    'mila-digits',
    '--from-scratch',
    '--no-flip',
    '--epochs',
    '1',
    '--work-dir',
    'w',
]
KINDS = {
    'classify': ('data/digits/imagenet', []),
    'semantic': ('data/digits/ade', []),
    'segment': ('data/digits/coco', []),
    'detect': ('data/digits/coco', ['--task', 'detect', '--head', 'retinanet']),
}


@pytest.fixture
def no_trial(monkeypatch):
    """Every iteration takes a second and 100 MB per image; the trial itself takes ten seconds."""

    def tried(config, batches):
        return [Trial(batch, batch, batch * 10**8, 1.0) for batch in batches]

    monkeypatch.setattr(finetuning, 'try_batches', tried)


@pytest.mark.parametrize(
    'kind', ['classify', *(pytest.param(k, marks=pytest.mark.slow) for k in list(KINDS)[1:])]
)
def test_one_command_gives_a_model_and_a_report(kind, here, script, run, fails, capfd):
    path, options = KINDS[kind]
    finetune = script('finetune').main
    config = finetune([path, *SMALL, *options])
    said = capfd.readouterr().out
    assert 'is read as' in said and '| image size |' in said and 'The report is' in said
    assert (here / 'w/epoch_1.pth').exists()
    if kind != 'detect':  # RetinaNet is not sure of anything yet, and nothing is the best
        assert [*(here / 'w').glob('best_*.pth')]
    assert '<html' in (here / 'w/report.html').read_text()
    assert '# image size: ' in config.read_text()

    # The same command has nothing more to do than the report; another one is refused.
    before = (here / 'w/epoch_1.pth').stat().st_mtime_ns
    finetune([path, *SMALL, *options])
    assert 'going on with it' in capfd.readouterr().out
    assert (here / 'w/epoch_1.pth').stat().st_mtime_ns == before
    assert 'was made with seed 0, not 1' in fails('finetune', path, *SMALL, *options, '--seed', '1')

    run('predict', 'w', path, '--out', 'predictions')
    assert [*(here / 'predictions/overlays').rglob('*.*g')]


@pytest.mark.slow
def test_the_config_alone_gives_the_same_weights(here, script, run, no_trial):
    config = script('finetune').main(['data/digits/imagenet', *SMALL])
    run('train', config, '--work-dir', 'again')
    one, other = (
        torch.load(folder / 'epoch_1.pth', weights_only=True)['state_dict']
        for folder in (here / 'w', here / 'again')
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_plan_trains_nothing(here, script, no_trial):
    config = script('finetune').main(['data/digits/imagenet', *SMALL, '--plan'])
    assert not [*(here / 'w').glob('*.pth')]
    assert load_config(config).train_cfg.max_epochs == 1


def test_classes_are_named_in_order(here, script, no_trial):
    names = sorted(folder.name for folder in Path('data/digits/imagenet/train').iterdir())[::-1]
    config = script('finetune').main(
        ['data/digits/imagenet', *SMALL, '--plan', '--classes', *names]
    )
    assert load_config(config).train_dataloader.dataset.metainfo.classes == names


def test_the_budget_decides_the_epochs(here, script, capsys, no_trial):
    options = [option for option in SMALL if option not in ('--epochs', '1')]
    script('finetune').main(['data/digits/imagenet', *options, '--budget', '1s', '--plan'])
    assert '| epochs | 1 | the budget; without one it would be' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['data/digits/imagenet'], 'fetch it by `python tools/fetch.py mila_tiny`'),
        (['data/digits/imagenet', '--model', 'mila-digits'], 'mila-digits has no released weights'),
        (['nowhere', '--from-scratch'], 'nowhere does not exist'),
        (['data/digits', '--from-scratch'], '--layout'),
        (
            ['data/digits/coco', '--from-scratch', '--head', 'upernet'],
            '--head upernet is none for segment',
        ),
    ],
)
def test_questions_and_mistakes_are_one_sentence(here, fails, arguments, sentence):
    assert sentence in fails('finetune', *arguments)
    assert not (here / 'work_dirs').exists()


@pytest.mark.parametrize('text', ['soon', '0', '5 weeks', '-1h'])
def test_a_budget_is_a_time(script, text):
    with pytest.raises(SystemExit):
        script('finetune').parse_args(['photos', f'--budget={text}'])


@pytest.mark.parametrize(
    'text, seconds', [('90s', 90), ('30min', 1800), ('2h', 7200), ('1d', 86400)]
)
def test_units_of_time(script, text, seconds):
    assert script('finetune').parse_args(['photos', '--budget', text]).budget == seconds
