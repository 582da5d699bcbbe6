"""The cases by which MILA's speed is judged: docs/performance.md has what came of them."""

from itertools import product

from .measure import Case
from .subjects import OFFICIAL

MILA = 'mila_tiny'
RIVALS = ('convnext_tiny', 'swin_tiny_patch4_window7_224', 'mambaout_tiny')

INFERENCE = [  # size, batch
    ((224, 224), 1),
    ((224, 224), 8),
    ((800, 1280), 1),
]
LARGE = ((2048, 2048), 1)  # MILA and ConvNeXt alone, in fp32
TRAINING = [((224, 224), 8), ((512, 512), 1)]


def goal_cases() -> list[Case]:
    """MILA in every mode and precision, its official order, and its rivals, as feature maps."""
    cases = []
    precisions = ('fp32', 'bf16')
    for size, batch in INFERENCE:
        cases.append(Case(MILA + OFFICIAL, size, batch, 'fp32', 'eager', 'inference'))
        for precision, mode in product(precisions, ('eager', 'fused')):
            cases.append(Case(MILA, size, batch, precision, mode, 'inference'))
        for model, precision in product(RIVALS, precisions):
            cases.append(Case(model, size, batch, precision, 'eager', 'inference'))
        for model, precision in product((MILA, RIVALS[0]), precisions):
            cases.append(Case(model, size, batch, precision, 'compiled', 'inference'))
    for model, mode in ((MILA + OFFICIAL, 'eager'), (MILA, 'fused'), (RIVALS[0], 'eager')):
        cases.append(Case(model, *LARGE, 'fp32', mode, 'inference'))
    for size, batch in TRAINING:
        cases.append(Case(MILA + OFFICIAL, size, batch, 'fp32', 'eager', 'training'))
        for model, precision in product((MILA, RIVALS[0]), precisions):
            cases.append(Case(model, size, batch, precision, 'eager', 'training'))
    return cases
