"""What all classifiers share: registration, logs, checkpoints."""

custom_imports = dict(imports=['classification'], allow_failed_imports=False)
default_scope = 'mmengine'

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(
        # The best by what Accuracy names first: top-1, of the EMA weights where there are some.
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=1,
        save_best='auto',
        rule='greater',
    ),
)
custom_hooks = [
    dict(type='CheckClasses'),
    dict(type='Curves'),
    # Each process has batch norm statistics of its own: evaluate and save their mean.
    dict(type='SyncBuffersHook'),
]
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
