"""A few epochs of AdamW for the quickstart: linear warm-up, then a cosine down to 0."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
# For another number of epochs N: --cfg-options train_cfg.max_epochs=N param_scheduler.1.end=N
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8, val_interval=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', end=8, convert_to_iter_based=True),
]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
