"""ImageNet at 224x224 with RandAugment and random erasing; data/imagenet/{train,val}/CLASS."""

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/imagenet/train',
        pipeline=[
            dict(type='ReadImage'),
            dict(
                type='TimmTransform',
                is_training=True,
                input_size=224,
                interpolation='bicubic',
                auto_augment='rand-m9-mstd0.5-inc1',
                color_jitter=0.4,
                re_prob=0.25,
                re_mode='pixel',
                re_count=1,
            ),
        ],
    ),
)

val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/imagenet/val',
        test_mode=True,
        pipeline=[
            dict(type='ReadImage'),
            # The shorter side to 256, then the centre.
            dict(type='TimmTransform', input_size=224, crop_pct=0.875, interpolation='bicubic'),
        ],
    ),
)
test_dataloader = val_dataloader

# Results meet over the network ('gpu', which works without one too): nodes share no folder.
val_evaluator = dict(type='Accuracy', topk=(1, 5), collect_device='gpu')
test_evaluator = val_evaluator
