"""The models of committed configs, small enough to train in a test, on the fixtures' digits."""

from mmengine.config import Config, ConfigDict

from classification.engine.config import load_config
from classification.engine.heads import set_num_classes
from tests.helpers import FIXTURES, ROOT

ARCH = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))


def small_config(task, name, options):
    """The fixture of `task`, with the model of the committed config `name` instead of its own.

    Args:
        task: 'detection' or 'segmentation'.
        name: of the config, without folder and ending.
        options: what makes it small, beside the backbone: dotted key of the model -> value.
    """
    cfg = load_config(FIXTURES / f'{task}.py')
    model = Config(load_config(ROOT / f'configs/{task}/{name}.py').model.to_dict())
    model.merge_from_dict(options)
    model.backbone.arch = ARCH
    model.backbone.pop('init_cfg')  # the released weights
    stages = model.backbone.get('out_indices', range(4))
    reader = model.get('neck') or model.get('panoptic_head') or model.decode_head
    reader.in_channels = [ARCH['embed_dim'] * 2**stage for stage in stages]
    cfg.model = ConfigDict(model.to_dict())
    set_num_classes(cfg.model, len(cfg.train_dataloader.dataset.metainfo.classes))
    cfg.train_dataloader.dataset.indices = 4
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    return cfg
