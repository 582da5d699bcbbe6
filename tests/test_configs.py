"""Every committed config builds, trains a step and predicts, at small size and without a dataset.

Model, pipelines and optimiser come from the config as it is committed; only the pretrained file,
and the numbers of proposals and results, which time the test, are changed. Of the rivals of MILA
the smallest size of each family trains, the others are built without values.
"""

import ast
import functools
import re
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData

from classification import zoo
from classification.engine.configs.heads import class_counts
from tests.helpers import RIVAL
from tests.rival_cases import Shapes

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
ALL = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py'))
SIZE = 64
BATCH = 2

ENTRIES = {model.config: model for model in zoo.models() if model.config}

RIVALS = [path for path in CONFIGS if RIVAL.search(path)]


def smallest():
    """Of each family of RIVALS and each head the config with the fewest parameters."""
    found = {}
    for path in sorted(RIVALS, key=lambda path: ENTRIES[path].parameters):
        family, head = ENTRIES[path].collection.name, Path(path).name.partition('_')[0]
        found.setdefault((family, head), path)
    return set(found.values())


# Those whose model has values, and trains. mmdet's Swin reads some when it is built.
WHOLE = [
    path for path in CONFIGS if path not in RIVALS or path in smallest() or 'rcnn_swin' in path
]


def slow_rivals(paths):
    """Paths as parameters of a test; those of RIVALS are slow ones."""
    rival = [pytest.mark.slow]
    return [pytest.param(path, marks=rival if path in RIVALS else []) for path in paths]


load = functools.cache(lambda path: Config.fromfile(ROOT / path))
installed = functools.cache(get_config)

# Few proposals and results of detectors: 5 instances in each image, whatever their scores.
FIVE = dict(score_thr=0.0, max_per_img=5)
RCNN = {
    'train_cfg.rpn_proposal.max_per_img': 50,
    'test_cfg.rpn.max_per_img': 20,
    'test_cfg.rcnn': FIVE,
}
SMALL = {
    'FasterRCNN': {**RCNN, 'train_cfg.rcnn.sampler.num': 32},
    'MaskRCNN': {**RCNN, 'train_cfg.rcnn.sampler.num': 32},
    'CascadeRCNN': {**RCNN, **{f'train_cfg.rcnn.{i}.sampler.num': 32 for i in range(3)}},
    'RetinaNet': {'test_cfg': FIVE},
    # As many queries as an image of 64x64 has tokens, at most.
    'DINO': {'num_queries': 20, 'test_cfg.max_per_img': 5},
    'Mask2Former': {
        'data_preprocessor.batch_augments.0.size': (SIZE, SIZE),
        'train_cfg.num_points': 256,
        'test_cfg.max_per_image': 5,
    },
}


@pytest.fixture(scope='module', params=slow_rivals(CONFIGS))
def path(request):
    return request.param


@pytest.fixture(scope='module')
def cfg(path):
    """The config, with its default scope in force."""
    cfg = load(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        yield cfg


@pytest.fixture(scope='module')
def model(path, cfg):
    model_cfg = Config(cfg.model.to_dict())
    (model_cfg.get('backbone') or model_cfg).pop('init_cfg', None)
    if model_cfg.type in SMALL:
        model_cfg.merge_from_dict(SMALL[model_cfg.type])
    if 'decode_head' in model_cfg:
        model_cfg.data_preprocessor.size = (SIZE, SIZE)  # mmseg pads training images to this
    torch.manual_seed(0)
    with nullcontext() if path in WHOLE else Shapes():
        return revert_sync_batchnorm(MODELS.build(model_cfg))


@pytest.mark.parametrize('file', CONFIGS)
def test_docstring(file):
    """A title and the command, which names this very file, and little else."""
    doc = ast.get_docstring(ast.parse((ROOT / file).read_text()))
    assert f' {file}' in doc
    assert len([line for line in doc.splitlines() if line]) <= 6


@pytest.mark.parametrize('file', CONFIGS)
def test_figures_stand_in_the_metafile(file):
    """What a paper prints, and on what hardware, is said once: not in the config as well."""
    text = (ROOT / file).read_text()
    assert 'Hardware' not in text
    for result in ENTRIES[file].results:
        for name, value in result.metrics.items():
            assert not re.search(rf'(?<![\d.]){re.escape(str(value))}(?![\d.])', text), name


def test_metafile(path, cfg):
    """The entry's hardware sees the config's images: a CPU, or GPUs as many as each has."""
    entry = ENTRIES[path]
    found = re.fullmatch(r'\d GPUs? x (\d+) images|\d CPU cores?', entry.training_resources)
    assert found and (not found[1] or cfg.train_dataloader.batch_size == int(found[1]))
    assert entry.timm is None or entry.timm == cfg.model.model.name


@pytest.mark.parametrize('file', slow_rivals(ALL))
def test_differences_only(file):
    """A config repeats nothing that its bases, here or in mmdet and mmseg, say already."""
    base, own = base_and_own(ROOT / file)
    assert list(repeats(own, base)) == []


def test_repeats_are_found(tmp_path):
    (tmp_path / 'base.py').write_text('a = dict(b=dict(c=1, d=2), e=[1])\nf = 1\ng = dict(h=1)')
    (tmp_path / 'leaf.py').write_text(
        "_base_ = ['base.py', 'mmseg::_base_/models/upernet_swin.py']\n"
        'a = dict(b=dict(c=1, d=3), e=[1])\nf = True\ng = dict(_delete_=True, h=1)\n'
        'k = _base_.a.b.c\nmodel = dict(decode_head=dict(channels=512, num_classes=20))'
    )
    base, own = base_and_own(tmp_path / 'leaf.py')
    assert own['k'] == 1
    assert list(repeats(own, base)) == ['a.b.c', 'a.e', 'model.decode_head.channels']


@pytest.mark.parametrize('file', CONFIGS)
def test_size(file):
    """Some 30 lines are enough for differences; those of brackets alone do not count."""
    _, _, code = (ROOT / file).read_text().partition('"""\n\n')
    assert len([line for line in code.splitlines() if re.search(r'\w', line)]) <= 35


@pytest.mark.parametrize('path', RIVALS, indirect=True, scope='module')
@pytest.mark.slow
def test_parameters(path, model):
    """The metafile counts what is built."""
    assert sum(p.numel() for p in model.parameters()) == ENTRIES[path].parameters


@pytest.mark.parametrize('path', slow_rivals(WHOLE), indirect=True, scope='module')
def test_train_step(cfg, model):
    """The loss is finite and depends on every parameter, which DistributedDataParallel needs."""
    model.train()
    data = model.data_preprocessor(batch(cfg.model), training=True)
    loss, logged = model.parse_losses(model(**data, mode='loss'))
    assert all(value.isfinite() for value in logged.values()), logged
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize('path', slow_rivals(WHOLE), indirect=True, scope='module')
def test_predict(cfg, model):
    model.eval()
    with torch.no_grad():
        results = model.test_step(batch(cfg.model))
    assert len(results) == BATCH
    for result in results:
        check_result(cfg.model, result)


# What is no weight that multiplies: rates, steps and shortcuts of scans and gates, and positions.
NO_WEIGHT = (
    'A_log',
    'A_logs',
    'D',
    'D_b',
    'Ds',
    'delta_bias',
    'dt_projs_bias',
    'A_b_log',
    'AT_log',
    'AL_log',
    'ape',
    'pos_embed',
    'direction_Bs',
    'rpb',
    'relative_position_bias_table',
    'relative_pos_bias_local',
    'query_embedding',
    'temperature',
    'cpb',  # and what it has in it
)
# Of Mask2Former's head; its authors exempt them.
EMBEDDINGS = {'query_embed', 'query_feat', 'level_embed'}


def test_optimizer(cfg, model):
    """Norms, NO_WEIGHT and EMBEDDINGS do not decay, nor a classifier's 1-D parameters; all else."""
    optim_cfg = dict(type='OptimWrapper') | cfg.optim_wrapper
    optimizer = build_optim_wrapper(model, optim_cfg).optimizer
    decay = {
        id(p): group['weight_decay'] for group in optimizer.param_groups for p in group['params']
    }
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        # Scans along several directions have a number behind the name.
        last = 'cpb' if '.cpb.' in name else name.split('.')[-1].rstrip('_0123456789')
        if cfg.model.type == 'ImageClassifier':
            exempt = parameter.ndim <= 1 or last == 'bias' or last in NO_WEIGHT
        elif 'norm' in name or parameter.ndim > 1:
            embedding = cfg.model.type == 'Mask2Former' and EMBEDDINGS & {*name.split('.')}
            exempt = 'norm' in name or last in NO_WEIGHT or embedding
            exempt = exempt and cfg.model.type != 'DINO'  # its authors let everything decay
        else:
            continue
        expected = 0 if exempt else cfg.optim_wrapper.optimizer.weight_decay
        assert decay[id(parameter)] == expected, name


def test_schedule(cfg):
    """Warm-up first, but where authors do without, and the last scheduler ends with training."""
    length = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    *warmup, main = cfg.param_scheduler
    without = cfg.model.type in ('DINO', 'Mask2Former')
    assert [scheduler.type for scheduler in warmup] == ([] if without else ['LinearLR'])
    assert main.end == length


def test_pipelines(cfg, tmp_path):
    """The transforms build and run, more than once since some choose at random."""
    sample = write_sample(tmp_path)
    loaders = [cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader]
    pipelines = [loader.dataset.pipeline for loader in loaders]
    for transforms in map(Compose, [*pipelines, cfg.get('tta_pipeline', [])]):
        np.random.seed(0)
        for _ in range(4):
            inputs = transforms(dict(sample)).get('inputs', [])
            for image in inputs if isinstance(inputs, list) else [inputs]:
                assert image.shape[0] == 3 and min(image.shape[1:]) >= 32


def batch(model_cfg):
    """A batch of noise with ground truth, as the task's data loader would give it."""
    if model_cfg.type == 'ImageClassifier':
        targets = torch.arange(BATCH) % model_cfg.model.num_classes
        return dict(inputs=torch.randn(BATCH, 3, SIZE, SIZE), targets=targets)
    num_classes = class_counts(model_cfg)[0][1]
    if model_cfg.type in SMALL:
        from mmdet.testing import demo_mm_inputs

        shapes = [(3, SIZE, SIZE)] * BATCH
        return demo_mm_inputs(BATCH, shapes, [3] * BATCH, num_classes, with_mask=True)

    from mmseg.structures import SegDataSample

    sizes = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE))
    samples = [SegDataSample(metainfo=sizes) for _ in range(BATCH)]
    for sample in samples:
        labels = torch.randint(num_classes, (1, SIZE, SIZE))
        sample.gt_sem_seg = PixelData(data=labels)
    images = torch.randint(256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


def check_result(model_cfg, result):
    if model_cfg.type == 'ImageClassifier':
        assert result['scores'].shape == (model_cfg.model.num_classes,)
        assert result['scores'].sum().item() == pytest.approx(1, abs=1e-5)
        return
    num_classes = class_counts(model_cfg)[0][1]
    if model_cfg.type in SMALL:
        found = result.pred_instances
        assert len(found) == 5
        assert found.bboxes.isfinite().all()
        assert found.labels.max() < num_classes
        if model_cfg.type in ('MaskRCNN', 'CascadeRCNN', 'Mask2Former'):
            assert found.masks.shape == (5, SIZE, SIZE)
    else:
        assert result.seg_logits.data.shape == (num_classes, SIZE, SIZE)
        assert result.seg_logits.data.isfinite().all()
        assert result.pred_sem_seg.data.shape == (1, SIZE, SIZE)


def base_and_own(file):
    """What the bases of a config say, together, and what it says itself, each a dict."""
    tree = ast.parse(file.read_text())
    bases = [node for node in tree.body if ast.unparse(node).startswith('_base_ = ')]
    tree.body = [node for node in tree.body if node not in bases]
    named = ast.literal_eval(bases[0].value) if bases else []
    base = ConfigDict()  # bases share no key, MMEngine sees to that
    for name in [named] if isinstance(named, str) else named:
        cfg = installed(name) if '::' in name else load((file.parent / name).resolve())
        base.update(cfg.to_dict())
    names = dict(_base_=base)
    exec(compile(tree, str(file), 'exec'), names)
    return base, {key: value for key, value in names.items() if not key.startswith('_')}


def repeats(own, base, path=''):
    """The places where a dict gives a value that the one it is merged into has already."""
    for key, value in own.items():
        known = base.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            if not value.get('_delete_'):
                yield from repeats(value, known, f'{path}{key}.')
        elif key in base and type(value) is type(known) and value == known:
            yield f'{path}{key}'


def write_sample(folder):
    """One annotated image on disk, with the keys that the data sets of all three tasks give."""
    height, width = 120, 160
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / 'image.png'), image)
    cv2.imwrite(str(folder / 'map.png'), image[..., 0] % 12)
    runs = [30 * height + 20, *[60, 60] * 39, 60, 0]
    runs[-1] = height * width - sum(runs)
    mask = dict(size=[height, width], counts=runs)
    box = dict(bbox=[30, 20, 70, 80], bbox_label=1, ignore_flag=0, mask=mask)
    return dict(
        img_path=str(folder / 'image.png'),
        gt_label=1,
        img_id=1,
        height=height,
        width=width,
        instances=[box],
        seg_map_path=str(folder / 'map.png'),
        label_map=None,
        reduce_zero_label=True,
        seg_fields=[],
    )
