"""300 epochs of AdamW: 20 of linear warm-up, then a cosine, both by iteration."""

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW', lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05, fused=True
    ),
    # No decay of biases, norms, every other 1-D parameter and what a model names itself.
    constructor='TimmParamGroups',
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
# The learning rates (peak, first and last) are for 512 images per update, summed over all processes
# and optim_wrapper.accumulative_counts batches.
auto_scale_lr = dict(enable=True, base_batch_size=512)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=20, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', eta_min_ratio=1e-2, begin=20, end=300, convert_to_iter_based=True
    ),
]

train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
