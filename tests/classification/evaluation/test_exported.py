"""evaluation/exported.py, Task.sample, Predictor.samples: results on their way to metrics."""

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS

from classification.engine.configs.loading import load_config
from classification.engine.errors import CheckpointError, UsageError
from classification.engine.prediction.predictor import Predictor
from classification.evaluation.exported import evaluate_exported
from tests.exported import write_model
from tests.helpers import FIXTURES, LAST


@pytest.fixture
def predictor(trained, here):
    """A function: task -> (what predicts with its short training, its test dataset)."""

    def load(task):
        cfg = load_config(FIXTURES / f'{task}.py')
        found = Predictor(cfg, trained(task) / LAST[task], device='cpu')
        return found, DATASETS.build(cfg.test_dataloader.dataset)

    return load


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_a_sample_is_the_inverse_of_a_result(task, predictor):
    """A result becomes what metrics take, with the truth of the dataset."""
    model, dataset = predictor(task)
    pictures = [model.task.read_picture(dataset.get_data_info(i)) for i in range(3)]
    samples = model.samples(pictures)
    assert len(samples) == 3
    for i, (picture, sample) in enumerate(zip(pictures, samples, strict=True)):
        result = model.task.result(picture, sample, model.classes, model.palette)
        again = model.task.sample(result, dataset[i])
        if task == 'classification':
            assert torch.equal(again['scores'], sample['scores'])
            assert again['target'] == dataset.get_data_info(i)['gt_label']
        elif task == 'segmentation':
            found, truth = again['pred_sem_seg']['data'], again['gt_sem_seg']['data']
            assert found.dtype == torch.int64 and found.shape == truth.shape
            assert torch.equal(found, sample.pred_sem_seg.data)
        else:
            found, expected = again['pred_instances'], sample.pred_instances
            assert len(expected) == 5 and again['img_id'] == dataset.get_data_info(i)['img_id']
            for name in ('bboxes', 'labels', 'scores', 'masks'):
                assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_the_samples_of_pictures_are_those_of_calls(task, predictor):
    model, dataset = predictor(task)
    picture = model.task.read_picture(dataset.get_data_info(0))
    (sample,) = model.samples([picture])
    found = model.task.result(picture, sample, model.classes, model.palette)
    expected = model(picture)
    for name in ('scores', 'map', 'boxes', 'labels', 'masks'):
        if hasattr(expected, name):
            assert (np.asarray(getattr(found, name)) == getattr(expected, name)).all()


def test_what_cannot_be_evaluated(here):
    cfg = load_config(FIXTURES / 'classification.py')
    path = write_model(here / 'm.onnx', 'classification')
    with pytest.raises(UsageError, match='The classes of .*m.onnx are not those of'):
        evaluate_exported(cfg, path)
    with pytest.raises(UsageError, match='is a model of segmentation, unlike'):
        evaluate_exported(cfg, write_model(here / 's.onnx', 'segmentation'))
    with pytest.raises(CheckpointError, match='none.onnx cannot be read'):
        evaluate_exported(cfg, 'none.onnx')
