"""The choices of a fine-tuning, each with its reason: a start, tuned on no benchmark."""

import math
import os
from dataclasses import dataclass, field, replace
from typing import Any

from .facts import Facts

# Images per update of the weights in the recipes of the templates, which their rates are for.
_RECIPE_BATCH = {'classify': 512, 'detect': 16, 'segment': 16, 'semantic': 16}
# The largest batch that pays for a training on a few thousand images.
_LARGEST_BATCH = {'classify': 64, 'detect': 16, 'segment': 16, 'semantic': 16}
# UperNet's batch norm over one pooled pixel needs two images.
LEAST_BATCH = {'classify': 1, 'detect': 1, 'segment': 1, 'semantic': 2}
# Updates after which a pretrained model is usually done.
_UPDATES = {'classify': 2000, 'detect': 3000, 'segment': 3000, 'semantic': 4000}
_EPOCHS = (12, 100)
# Sides of an image in training: those of COCO's recipes and of ADE20K's.
_LARGEST_IMAGE = (1333, 800)
_LARGEST_CROP = 512
_SMALLEST_OBJECT = 16  # pixels on which a stride of 4 still sees something
_EVALUATIONS = 20
_PATIENCE = 8
_SECONDS_PER_LINE = 20


@dataclass(frozen=True)
class Choices:
    """What a fine-tuning does.

    Attributes:
        image_size: (longer, shorter) side to which images are resized, in pixels.
        crop: side of the square that training sees of an image, None for the whole image.
        flip: whether images are mirrored.
        anchor_scale: side of the smallest anchors over their stride.
        batch: images per iteration and process.
        accumulate: iterations per update of the weights.
        epochs: passes over the training images.
        val_interval: epochs from one evaluation to the next.
        lr_factor: learning rate over that of the template.
        warm_up: epochs in which the rate rises, a fraction too.
        ema_momentum: share of the new weights in the EMA weights with each update, None without
            these.
        patience: evaluations without progress after which training ends.
        oversample: whether images of rare classes are repeated.
        log_interval: iterations from one line of the log to the next.
        amp: mixed precision.
        workers: processes that load images, for each process that trains.
        reasons: attribute -> why.
    """

    image_size: tuple[int, int]
    crop: int | None
    flip: bool
    anchor_scale: int
    batch: int = 1
    accumulate: int = 1
    epochs: int = 1
    val_interval: int = 1
    lr_factor: float = 1.0
    warm_up: float = 1.0
    ema_momentum: float | None = None
    patience: int = _PATIENCE
    oversample: bool = False
    log_interval: int = 20
    amp: bool = False
    workers: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def because(self, **choices: tuple[Any, str]) -> 'Choices':
        """The same with attributes changed, each to (value, reason)."""
        reasons = self.reasons | {name: reason for name, (_, reason) in choices.items()}
        return replace(self, reasons=reasons, **{n: value for n, (value, _) in choices.items()})

    def table(self) -> list[tuple[str, str, str]]:
        """(choice, value, reason) of each, for people."""
        return [
            (name.replace('_', ' '), _shown(getattr(self, name)), reason)
            for name, reason in self.reasons.items()
        ]


def choose_images(
    facts: Facts, flip: bool = True, cuda: bool = False, processes: int = 1
) -> Choices:
    """What depends on the images and the machine alone; `choose_schedule` completes it.

    Args:
        facts: of the data.
        flip: whether a mirrored image is an image too.
        cuda: whether it trains on GPUs.
        processes: that train together.
    """
    size, why_size = _image_size(facts)
    scale = size[0] / facts.image_size[0]
    start = Choices(size, crop=None, flip=flip, anchor_scale=8)
    choices: dict[str, tuple[Any, str]] = dict(image_size=(size, why_size))
    if facts.kind == 'semantic':
        crop = min(_LARGEST_CROP, _multiple(size[1]))
        choices['crop'] = crop, 'the recipe takes squares of 512 pixels, or the shorter side'
    choices['flip'] = flip, 'mirrored images are images too' if flip else '--no-flip'
    if facts.kind in ('detect', 'segment'):
        small = facts.object_size * scale
        anchor = 8 if small >= 24 else 4 if small >= 12 else 2
        choices['anchor_scale'] = (
            anchor,
            f'nine of ten objects are larger than {small:.0f} pixels in training, the smallest '
            f'anchors are {4 * anchor}',
        )
    if len(facts.images_per_class) > 1:
        rare, often = min(facts.images_per_class), max(facts.images_per_class)
        oversample = 0 < rare * 10 < often
        choices['oversample'] = (
            oversample,
            f'the rarest class is in {rare} training images, the most frequent in {often}',
        )
    workers = _workers(processes)
    choices['workers'] = workers, f'{os.cpu_count()} cores'
    choices['amp'] = cuda, 'half the memory on a GPU' if cuda else 'no gain without a GPU'
    return start.because(**choices)


def batch_per_update(facts: Facts) -> int:
    """Images per update of the weights: at least ten updates in an epoch, within the recipe's."""
    wanted = min(_LARGEST_BATCH[facts.kind], max(2, facts.train // 10))
    return 2 ** int(math.log2(wanted))


def choose_schedule(
    choices: Choices,
    facts: Facts,
    batch: tuple[int, str],
    processes: int = 1,
    epochs: int | None = None,
    affordable: int | None = None,
    seconds: float = 0.1,
) -> Choices:
    """The choices with all that depends on the number of images, the memory and the time.

    Args:
        choices: of `choose_images`.
        facts: of the data.
        batch: images per iteration and process that fit into the memory, and why.
        processes: that train together.
        epochs: given by the user, else chosen.
        affordable: epochs that the time budget allows, None without one.
        seconds: what an image takes in training.
    """
    total = batch_per_update(facts)
    per_process = max(LEAST_BATCH[facts.kind], min(batch[0], total // processes))
    accumulate = max(1, total // (per_process * processes))
    seen = per_process * processes * accumulate
    updates = max(1, facts.train // seen)
    recipe = _RECIPE_BATCH[facts.kind]
    if epochs is not None:
        length = epochs, '--epochs'
    else:
        wished = min(max(_EPOCHS[0], math.ceil(_UPDATES[facts.kind] / updates)), _EPOCHS[1])
        length = (
            wished,
            f'about {wished * updates} updates of the weights from {facts.train} images',
        )
        if affordable is not None and affordable < wished:
            length = max(1, affordable), f'the budget; without one it would be {wished}'
    interval = max(1, length[0] // _EVALUATIONS)
    all_updates = length[0] * updates
    momentum = min(0.1, 10 / all_updates) if all_updates >= 200 else None
    return choices.because(
        batch=(per_process, batch[1]),
        accumulate=(accumulate, f'{seen} images per update of the weights'),
        epochs=length,
        val_interval=(interval, f'about {min(_EVALUATIONS, length[0])} evaluations'),
        lr_factor=(
            round(math.sqrt(seen / recipe), 4),
            f"of the recipe's rate, which is for {recipe} images per update (square root)",
        ),
        # MMEngine's LinearLR ends one step before its `end`: with 1 the rate would never rise.
        warm_up=(
            math.ceil(100 * max(2 / updates, length[0] / 20)) / 100,
            'epochs, a twentieth of all; then a cosine',
        ),
        ema_momentum=(
            momentum and float(f'{momentum:.2g}'),
            'about the last tenth of the training is averaged'
            if momentum
            else f'{all_updates} updates are too few to average',
        ),
        patience=(_PATIENCE, 'evaluations without progress, then training ends'),
        log_interval=(
            max(1, min(50, round(_SECONDS_PER_LINE / (per_process * seconds)))),
            f'a line with the time that is left about every {_SECONDS_PER_LINE} seconds',
        ),
    )


def affordable_epochs(budget: float, train: float, val: float) -> int:
    """Epochs that fit into `budget` seconds, of `train` seconds each and `val` per evaluation."""
    each = budget / (train + val)  # with an evaluation after every epoch
    longer = (budget - _EVALUATIONS * val) / train
    return max(1, int(each if each <= _EVALUATIONS else longer))


def _image_size(facts: Facts) -> tuple[tuple[int, int], str]:
    """(longer, shorter) side in training, and why."""
    longer, shorter = facts.image_size
    if facts.kind == 'classify':
        side = min(224, _multiple(shorter))
        return (side, side), f'the median image has {longer} x {shorter} pixels'
    if facts.kind == 'semantic':
        scale = min(1.0, _LARGEST_CROP / shorter)
        return (
            (round(longer * scale), round(shorter * scale)),
            f"the median image's {longer} x {shorter}, at most 512 on the shorter side",
        )
    largest = min(_LARGEST_IMAGE[0] / longer, _LARGEST_IMAGE[1] / shorter)
    scale, why = min(1.0, largest), f'the median image has {longer} x {shorter} pixels'
    small = facts.object_size * scale
    if 0 < small < _SMALLEST_OBJECT and scale < largest:
        scale = min(largest, 2.0, _SMALLEST_OBJECT / facts.object_size)
        why += f', enlarged since a tenth of the objects is below {small:.0f} pixels'
    return (round(longer * scale), round(shorter * scale)), why


def _multiple(side: int) -> int:
    """A side in pixels as a multiple of 32, the largest stride, and at least 32."""
    return max(32, math.ceil(side / 32) * 32)


def _workers(processes: int) -> int:
    """Loading processes for each that trains; a core each is left to these."""
    return max(1, min(8, (os.cpu_count() or 1) // processes - 1))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, tuple):
        return ' x '.join(map(str, value))
    return 'none' if value is None else str(value)
