"""Scenes of handwritten digits in ADE20K's layout, from `python tools/make_digits.py`."""

_base_ = ['mmseg::_base_/datasets/ade20k.py', './digits_classes.py']

dataset = dict(
    type='BaseSegDataset',
    data_root='data/digits/ade',
    img_suffix='.png',
    reduce_zero_label=True,
    metainfo=dict(
        classes=('background', *_base_.metainfo.classes),
        palette=[(120, 120, 120), *_base_.metainfo.palette],
    ),
)

# Never flipped: a mirrored digit is no digit.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(128, 128), keep_ratio=True),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 128), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(s, s), keep_ratio=True) for s in (96, 128, 160)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler'),
    dataset=dict(**dataset, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(**dataset, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
