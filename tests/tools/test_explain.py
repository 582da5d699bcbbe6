"""tools/explain.py: a picture for each of its subcommands and tasks, and what it refuses."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.helpers import FIXTURES, picture

CLASSIFIER, SEGMENTOR = FIXTURES / 'classification.py', FIXTURES / 'segmentation.py'
OF_AN_IMAGE = {
    'attention': (CLASSIFIER, '--point', 20, 10),
    'attention of a name': ('convnext_atto', '--size', 32, '--point', 20, 10),
    'positions': (CLASSIFIER, '--point', 20, 10),
    'features': (CLASSIFIER,),
    'cam': (CLASSIFIER,),
    'cam of a class': (CLASSIFIER, '--class', 3, '--stage', 2),
    'cam of a point': (SEGMENTOR, '--point', 20, 10),
}


@pytest.fixture
def explain(script, here, capsys):
    """A function: arguments -> the picture that is written."""

    def call(show, *args):
        script('explain').main([show, *map(str, args), '--out', 'made/out.jpg'])
        assert capsys.readouterr().out.endswith('made/out.jpg is written\n')
        return np.asarray(Image.open(here / 'made/out.jpg').convert('RGB'))

    picture(here / 'photo.png', (48, 36))
    return call


@pytest.mark.parametrize('name', OF_AN_IMAGE)
def test_a_picture_is_written(name, explain):
    model, *options = OF_AN_IMAGE[name]
    found = explain(name.split()[0], model, 'photo.png', *options)
    assert found.shape[0] > 200 and found.shape[1] > 400
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 100


def test_fields_of_several_models(explain):
    found = explain('erf', CLASSIFIER, 'convnext_atto', '--size', 32, 64, '--number', 1)
    assert found.shape[0] > 500 and found.shape[1] > 500


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('attention', CLASSIFIER, '--point', 99, 10), r'\(99, 10\) is not in the image of 48x36'),
        (('cam', CLASSIFIER, '--stage', 5), 'has the stages 1 to 4, not 5'),
        (('cam', CLASSIFIER, '--class', 'cow'), 'cow is no class of the model'),
        (('cam', CLASSIFIER, '--class', '12'), 'There is no class 12: the model scores 10'),
        (('positions', 'convnext_atto', '--point', 9, 9), 'for MILA alone'),
        (('features', 'no_such_model'), 'no_such_model is neither a file'),
    ],
    ids=str,
)
def test_mistakes_are_one_sentence(args, message, explain, capsys):
    show, model, *options = args
    with pytest.raises(SystemExit) as stopped:
        explain(show, model, 'photo.png', *options)
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
    assert re.search(message, error)
