"""A classifier's sections, from scores made by hand."""

import numpy as np
import torch

from classification.analysis.classes import ClassAnalyst

IMAGE = np.zeros((20, 20, 3), np.uint8)


def analyst(samples, classes=('cat', 'dog', 'cow')):
    made = ClassAnalyst(classes, lambda i: f'/x/<{i}>.jpg')
    made.add([dict(scores=torch.tensor(s), target=torch.tensor(t)) for t, s in samples])
    return made


def text_of(made):
    return {part.title: ''.join(part.content) for part in made.sections(lambda i: IMAGE)}


SAMPLES = [(0, [0.9, 0.1, 0.0]), (0, [0.2, 0.8, 0.0]), (1, [0.6, 0.4, 0.0]), (1, [0.1, 0.9, 0.0])]


def test_counts():
    assert analyst(SAMPLES).counts().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_the_surest_mistake_comes_first_with_its_file():
    text = text_of(analyst(SAMPLES))['Worst and best images']
    wrong = text[: text.index('Right, and')]
    assert wrong.index('dog 0.80, truly cat (&lt;1&gt;.jpg)') < wrong.index('cat 0.60, truly dog')


def test_a_class_without_images_comes_last():
    text = text_of(analyst(SAMPLES))['Classes']
    assert text.index('cat') < text.index('cow') and '–' in text


def test_the_ema_weights_are_what_is_analysed():
    made = analyst([])
    scores = dict(scores=torch.tensor([1.0, 0, 0]), ema_scores=torch.tensor([0, 1.0, 0]))
    made.add([dict(scores, target=torch.tensor(1))])
    assert made.counts()[1, 1] == 1


def test_all_right_and_one_class():
    text = text_of(analyst([(0, [1.0])], ['all']))
    assert 'Wrong' not in text['Worst and best images']
    assert 'Most frequent' not in text['Confused classes']


def test_top1_of_any_choice_of_images():
    (judgement,) = analyst(SAMPLES).judgements()
    counts = np.array([[1, 2, 0], [1, 1, 0], [1, 0, 3], [1, 1, 1]])
    mean, each = judgement.values(counts)
    np.testing.assert_allclose(mean, [0.5, 0.75, 0.25])
    np.testing.assert_allclose(
        each, [[0.5, 2 / 3, np.nan], [0.5, 1, 0.25], [np.nan, np.nan, np.nan]]
    )


def test_images_of_the_most_frequent_confusions():
    text = text_of(analyst([*SAMPLES, (0, [0.3, 0.7, 0.0])]))['Most confused images']
    assert text.index('cat taken for dog: 2 images') < text.index('dog taken for cat: 1 images')
    assert text.index('dog 0.80') < text.index('dog 0.70')
    assert 'No class' in text_of(analyst([(0, [1.0])], ['all']))['Most confused images']
