"""What the engine asks of a task. Importing a task's package registers its answers.

The engine knows no task: a config's `default_scope` names it, and `task_of` finds it. Each package
(`classification`, `detection`, `segmentation`) calls `register_task` once with a subclass of Task.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from PIL.Image import Image
from torch import Tensor, nn

from ..results import Result
from ..results.writer import ResultsWriter
from ..visualization.drawing import Colour, hstack
from ..visualization.page import Section
from .errors import UsageError
from .images import read_image
from .weights.formats import Weights


class Judgement(NamedTuple):
    """A metric of a test that can be computed of any choice of its images.

    Attributes:
        metric: its name.
        values: counts (N, R), how often each of N images is in each of R choices -> the metric
            (R,), and that of each class (K, R), from 0 to 1; nan where there is nothing to judge.
    """

    metric: str
    values: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Analysis(Protocol):
    """What is to be said of a whole test; its N images are in one order.

    Attributes:
        classes: their names.
        quality_name: what `quality` is.
        calibration: an `analysis.calibration.Calibration`, without predictions where there are no
            scores.
    """

    @property
    def classes(self) -> Sequence[str]: ...

    @property
    def quality_name(self) -> str: ...

    @property
    def calibration(self) -> Any: ...

    def sections(self, pictures: Callable[[int], np.ndarray] | None) -> list[Section]:
        """A report's.

        Args:
            pictures: position -> image (H, W, 3) uint8, RGB; None shows none.
        """

    def names(self) -> list[str]:
        """The file of each image."""

    def quality(self) -> np.ndarray:
        """(N,) how good the prediction of each image is, from 0 to 1; nan without truth."""

    def judgements(self) -> list[Judgement]:
        """The task's main metrics, the first one the most important."""

    def draw(self, index: int, image: np.ndarray) -> Image:
        """An image (H, W, 3) with its truth and what was found."""

    def caption(self, index: int) -> str:
        """What was found in an image, in a line."""


class Analyst(Protocol):
    """Keeps of a test what explains its metrics."""

    def add(self, samples: Sequence[Any]) -> None:
        """Take the next samples in the dataset's order, as `test_step` gave them."""

    def analysis(self) -> Analysis:
        """Of the whole test, after it; positions are the dataset's."""


class Score(NamedTuple):
    """A number that a model gives for something in an image, which can be differentiated.

    Attributes:
        value: scalar.
        label: the class.
        region: (H, W) bool, where in the model's input the thing is; None of the whole image.
    """

    value: Tensor
    label: int
    region: np.ndarray | None = None


class Task:
    """The answers of a task that is not known: nothing to check, and nothing can be drawn.

    Attributes:
        count_shape: (height, width) of the image with which the task's papers count FLOPs.
        training_forwards: FLOPs of a training step over those of a test-time forward, None where
            the two cannot be compared.
        image_keys: where a dataset's info of a sample has paths of images.
        formats: name of a format of results, as --format takes it -> its writer; the first is the
            default.
        can_merge: whether results of an image's tiles can be merged to one.
        cpu_amp_refusal: why mixed precision cannot train on a CPU; None where it can.
    """

    count_shape: tuple[int, int] | None = None
    training_forwards: int | None = 3
    image_keys: tuple[str, ...] = ('img_path',)
    formats: Mapping[str, type[ResultsWriter]] = {}
    can_merge = False
    cpu_amp_refusal: str | None = None

    def check_dataset(self, dataset: Mapping[str, Any], cls: type, cfg: Config, split: str) -> None:
        """Raise DataError where a dataset's files and its config disagree; log what is doubtful.

        Args:
            dataset: config of the dataset, whose files exist.
            cls: its class.
            cfg: the whole config.
            split: 'train', 'val' or 'test'.
        """

    def read_annotations(self, dataset: Mapping[str, Any], cls: type, split: str) -> Any:
        """What a dataset's config names, as `annotations.records.Annotations` with all problems.

        Arguments as `check_dataset`; None where the class of the dataset is not known.
        """
        return None

    def check_sample(self, dataset: Any, sample: Mapping[str, Any], index: int) -> None:
        """Raise DataError where sample `index`, as the pipeline gave it, cannot be used.

        `dataset` is a `running.samples.ReproducibleDataset`.
        """

    def prepare_evaluation(
        self, cfg: Config, input_size: int | None = None, crop_pct: float | None = None
    ) -> None:
        """Change `cfg` for evaluation: the test images' size in pixels, and the share kept.

        Raises:
            UsageError: the task's images have no such size.
        """
        if input_size is not None or crop_pct is not None:
            raise UsageError(
                f'--input-size and --crop-pct are for classifiers, unlike {cfg.filename}: '
                'change its test_pipeline.'
            )

    def evaluation_hooks(self, cfg: Config, weights: Weights) -> Sequence[Hook]:
        """Hooks with which a file's weights are evaluated."""
        return ()

    def read_picture(self, info: Mapping[str, Any]) -> np.ndarray:
        """The image (H, W, 3) uint8, RGB, of a sample's info as its dataset gives it."""
        return read_image(info['img_path'])

    def result(
        self,
        image: np.ndarray,
        sample: Any,
        classes: Sequence[str],
        palette: Sequence[Colour],
    ) -> Result:
        """A model's prediction for an image, freed of its framework.

        Args:
            image: (H, W, 3) uint8, RGB.
            sample: what `test_step` gave for it.
            classes, palette: a name and an RGB colour for each class.
        """
        raise self._unknown('tell results of')

    def sample(self, result: Result, data: Mapping[str, Any]) -> Any:
        """The inverse of `result`: a result as `test_step` would give it, for metrics.

        Args:
            data: what the dataset gives for the image, with the truth.
        """
        raise self._unknown('evaluate results of')

    def draw_prediction(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """The result, see there, over its image; a small image is enlarged by a whole number."""
        return self.result(image, sample, classes, palette).draw()

    def draw_truth(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """The annotation of a sample over an image, as `draw_prediction`; else the image alone."""
        raise self._unknown('draw')

    def score(
        self,
        model: nn.Module,
        inputs: Tensor,
        sample: Any,
        label: int | None = None,
        point: tuple[int, int] | None = None,
        mask: bool = False,
    ) -> Score:
        """The score of what a model finds in an image, for its explanation.

        Args:
            model: in evaluation mode.
            inputs: (1, 3, H, W), as the backbone takes them.
            sample: the framework's data sample.
            label: the class; None takes the best one.
            point: (x, y) in the inputs of what is meant; None takes the best score.
            mask: score an object's mask, not its box.

        Raises:
            UsageError: the model finds no such thing, or has no masks.
        """
        raise self._unknown('explain scores of')

    def analyst(self, runner: Any, score_thr: float = 0.3) -> Analyst:
        """What explains the metrics of a test.

        Args:
            runner: MMEngine's, before its test.
            score_thr: instances below it are left out where a choice must be made.

        Raises:
            UsageError: the config's evaluators do not give what is needed.
        """
        raise self._unknown('analyse')

    def training_inputs(self, cfg: Config, data: Mapping[str, Any]) -> tuple[Tensor, Sequence[Any]]:
        """What a training step gives to the backbone, and the samples whose truth is drawn on it.

        Args:
            cfg: config of the run.
            data: a batch after the model's preprocessor.

        Returns:
            (B, 3, H, W) and B samples for `draw_truth`.
        """
        return data['inputs'], data['data_samples']

    def draw_comparison(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """The annotation of a sample and beside it the prediction, with what is wrong in it."""
        return hstack(
            self.draw_truth(image, sample, classes, palette),
            self.draw_prediction(image, sample, classes, palette),
        )

    def exportable(self, model: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Any:
        """The model as an `export.exportable.Exportable`.

        Args:
            model: in evaluation mode.
            steps: configs of the transforms of testing.

        Raises:
            UsageError: it cannot be exported; the message says why.
        """
        raise self._unknown('export')

    def noise_batch(
        self,
        cfg: Config,
        model: nn.Module,
        batch: int,
        size: tuple[int, int],
        training: bool = False,
    ) -> list:
        """Random inputs of `model(*inputs, mode='tensor')`, or with random truth of mode 'loss'.

        Args:
            cfg: config of the model.
            model: built from it.
            batch: number of images.
            size: (height, width) of the images in pixels.
            training: with truth.
        """
        raise self._unknown('make inputs for')

    def freeze_values(self, model: nn.Module) -> None:
        """Replace what depends on values, which tensors without values lack, before counting.

        The replacements return results of the full size; the model is of no other use afterwards.
        """

    def reads_values(self, model: nn.Module) -> bool:
        """Whether a forward needs values even so: its FLOPs are then counted in a real one."""
        return False

    def _unknown(self, what: str) -> UsageError:
        return UsageError(
            f'No package that this config imports can {what} its task: add the one of its '
            'default_scope to custom_imports, such as detection or segmentation.'
        )


_TASKS: dict[str, Task] = {}


def register_task(scope: str, task: Task) -> None:
    """Let `task` answer for configs with this `default_scope`.

    Raises:
        ValueError: another task answers for it.
    """
    known = _TASKS.setdefault(scope, task)
    if type(known) is not type(task):
        raise ValueError(f'{type(known).__name__} already answers for {scope}.')


def task_of(cfg: Mapping[str, Any]) -> Task:
    """The task of a config, by its `default_scope`; of an unknown one a plain Task."""
    return _TASKS.get(cfg.get('default_scope') or 'mmengine') or Task()


def current_task() -> Task:
    """The task of the run of this process, by MMEngine's current scope."""
    scope = DefaultScope.get_current_instance()
    return task_of(dict(default_scope=scope and scope.scope_name))
