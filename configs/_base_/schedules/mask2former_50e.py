"""368,750 iterations of AdamW (50 epochs of COCO), the backbone at a tenth of the rate."""

# What is no weight: it does not decay.
embedding = dict(decay_mult=0.0)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    # Norms do not decay, those of the backbone included.
    constructor='TimmParamGroups',
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            query_embed=embedding,
            query_feat=embedding,
            level_embed=embedding,
        ),
    ),
    clip_grad=dict(max_norm=0.01),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, end=368750, milestones=[327778, 355092], gamma=0.1)
]
train_cfg = dict(
    type='IterBasedTrainLoop',
    max_iters=368750,
    val_interval=5000,
    dynamic_intervals=[(365001, 368750)],
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=16)
