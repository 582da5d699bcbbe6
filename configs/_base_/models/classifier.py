"""A classifier of any timm model: the config names the model and its classes."""

model = dict(type='ImageClassifier', label_smoothing=0.1)
