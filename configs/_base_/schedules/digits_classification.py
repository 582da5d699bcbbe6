"""imagenet_300e.py for updates of 64 digits; a config gives the epochs and param_scheduler."""

_base_ = './imagenet_300e.py'

optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=64)
