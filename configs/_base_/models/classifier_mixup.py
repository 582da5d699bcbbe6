"""A classifier that trains on mixtures of images: MixUp or CutMix, chosen for each batch."""

_base_ = './classifier.py'

model = dict(mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'))
