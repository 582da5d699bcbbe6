"""Accuracy by hand, in one process and in several whose shares are not equal."""

import json
import multiprocessing

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.registry import METRICS

import classification  # noqa: F401  registers


def samples(count=50, classes=10):
    """Sample i has its class in place i % classes of its ranking."""
    made = []
    for i in range(count):
        ranking = torch.randperm(classes, generator=torch.Generator().manual_seed(i))
        scores = torch.empty(classes)
        scores[ranking] = torch.linspace(1, 0, classes)
        made.append(dict(scores=scores, target=ranking[i % classes]))
    return made


def evaluate(metric, made, size, batch=7):
    for start in range(0, len(made), batch):
        metric.process({}, made[start : start + batch])
    return metric.evaluate(size)


@pytest.mark.parametrize(
    'topk, expected',
    [
        ((1, 5), {'accuracy/top1': 10.0, 'accuracy/top5': 50.0}),
        ((3,), {'accuracy/top3': 30.0}),
        ((1, 10, 11), {'accuracy/top1': 10.0, 'accuracy/top10': 100.0}),
    ],
)
def test_by_hand(topk, expected):
    metric = METRICS.build(dict(type='Accuracy', topk=topk))
    assert evaluate(metric, samples(), 50) == expected


def test_uneven_share_of_hits():
    metric = METRICS.build(dict(type='Accuracy', prefix='ema'))
    assert evaluate(metric, samples(13), 13) == {
        'ema/top1': pytest.approx(200 / 13),
        'ema/top5': pytest.approx(800 / 13),
    }


def test_the_average_beside_the_model():
    made = samples()
    for sample in made:  # best for the model, worst for the EMA weights
        sample['ema_scores'] = -sample['scores']
    for sample in made[:5]:
        sample['ema_scores'] = torch.nn.functional.one_hot(sample['target'], 10)
    result = evaluate(METRICS.build(dict(type='Accuracy')), made, 50)
    # Samples 5 to 9 of each ten are in the last half of the ranking, the worst is number 9.
    assert result == {
        'accuracy/ema_top1': 20.0,
        'accuracy/ema_top5': 60.0,
        'accuracy/top1': 10.0,
        'accuracy/top5': 50.0,
    }
    assert next(iter(result)) == 'accuracy/ema_top1'  # which save_best='auto' goes by


def test_nothing_is_kept_between_evaluations():
    metric = METRICS.build(dict(type='Accuracy'))
    assert evaluate(metric, samples(50), 50) == evaluate(metric, samples(50), 50)


def _process(rank, world, folder):
    """One of several processes: its share of the 50 samples, padded by the sampler."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world
    )
    made = samples()
    share = [made[i] for i in DefaultSampler(made, shuffle=False)]
    assert len(share) == -(-50 // world)
    metric = METRICS.build(dict(type='Accuracy', collect_dir=f'{folder}/parts'))
    result = evaluate(metric, share, 50, batch=4)
    (folder / f'{rank}.json').write_text(json.dumps(result))


@pytest.mark.parametrize('world', [2, 3])
def test_same_for_any_number_of_processes(tmp_path, world):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_process, args=(rank, world, tmp_path)) for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * world
    for rank in range(world):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == {
            'accuracy/top1': 10.0,
            'accuracy/top5': 50.0,
        }
