"""Time models side by side: classifiers, backbones, whole detectors and segmentors.

All cases take turns in one process, so that what slows the machine down slows all alike. So does
a large matrix product, and FLOP/s are given as a share of what it reaches. A training step is
forward, backward and AdamW, in half precision by autocast; inference of single models in half
precision has weights of that dtype. The FLOPs of a training step are taken as three forwards, those
of a detector as unknown, since it trains on other proposals than it tests. Memory is what a call
holds at its peak beyond the weights. Weights and images are random.
"""

import datetime
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..engine.errors import one_line
from ..models.compiling import constant_weights
from ..models.folding import fold
from .exported import EXPORTED_MODES, exported
from .report import growth
from .sizes import size_text
from .subjects import REFUSALS, Subject, build_subject
from .timing import Step, peak_memory, time_in_turns

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
# As written; with what inference need not compute on its own folded away, see MILA.fuse; compiled,
# after folding where it is inference; or exported, see `exported`.
MODES = ('eager', 'fused', 'compiled', *EXPORTED_MODES)
# Side of the matrices whose product is the machine's peak: larger ones are no faster.
PEAK_SIDE = dict(cpu=1024, cuda=8192)


@dataclass
class Case:
    """One model in one setting; where `error` says so, it could not be measured.

    Attributes:
        model: name in timm or path of a config.
        size: (height, width) of the images in pixels.
        batch: images per call.
        precision: a key of DTYPES.
        mode: a key of MODES.
        run: 'inference' or 'training'.
        params: of the model.
        flops: multiply-adds of a forward of one image.
        work: multiply-adds of a call.
        memory: bytes; None of an exported network, whose runtime keeps what it once had.
        file: bytes of an exported network.
        error: why it was not measured.
        seconds: of each timed call.
    """

    model: str
    size: tuple[int, int]
    batch: int
    precision: str
    mode: str
    run: str
    params: int | None = None
    flops: int | None = None
    work: int | None = None
    memory: int | None = None
    file: int | None = None
    error: str | None = None
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        setting = (size_text(self.size), f'batch {self.batch}', self.precision, self.mode, self.run)
        return f'{self.model} {", ".join(setting)}'


def run_benchmark(
    cases: Sequence[Case],
    dense: bool = False,
    device: str | torch.device = 'cpu',
    rounds: int = 5,
    say: Callable[[str], Any] = print,
) -> dict[str, Any]:
    """Measure cases, for `report`.

    Args:
        cases, dense, device, rounds, say: see `measure`.

    Returns:
        dict(machine, dense, peak={precision: FLOP/s}, cases=[summary], growth).

    Raises:
        UsageError: a model cannot be built.
    """
    device = torch.device(device)
    peaks = measure(cases, dense, device, rounds, say)
    rows = [summary(case, peaks) for case in cases]
    return dict(
        machine=machine(device),
        dense=dense,
        peak={precision: 2 * adds for precision, adds in peaks.items()},
        cases=rows,
        growth=growth(rows),
    )


def measure(
    cases: Sequence[Case],
    dense: bool,
    device: torch.device,
    rounds: int,
    say: Callable[[str], Any] = print,
) -> dict[str, float]:
    """Fill in what the cases take.

    Args:
        cases, dense, device: see make_steps.
        rounds: timed calls of each case, after two that are not timed.
        say: told of the progress, a line at a time.

    Returns:
        {precision: multiply-adds per second of the best matrix product}.
    """
    steps = dict(enumerate(make_steps(cases, dense, device)))
    # One compiled form of a model for each shape of its input.
    with torch._dynamo.config.patch(recompile_limit=max(len(cases), 8)):
        for i, step in steps.items():
            start = time.perf_counter()
            step()  # the first call compiles, and makes the state of the optimiser
            seconds = time.perf_counter() - start
            if cases[i].mode not in EXPORTED_MODES:
                cases[i].memory = peak_memory(step, device)
            outcome = cases[i].error or f'{seconds:.2f} s at first'
            say(f'[{i + 1}/{len(cases)}] {cases[i]}: {outcome}')
        return _time_cases(cases, steps, device, rounds, say)


def _time_cases(
    cases: Sequence[Case],
    steps: dict[int, Step],
    device: torch.device,
    rounds: int,
    say: Callable[[str], Any],
) -> dict[str, float]:
    """Fill in the cases' seconds; returns what `measure` does."""
    peaks = {precision: matmul(precision, device) for precision in {c.precision for c in cases}}
    timed: dict[int | str, Step] = {i: s for i, s in steps.items() if not cases[i].error}
    timed.update({precision: product for precision, (product, _) in peaks.items()})
    start = time.perf_counter()

    def progress(done: int) -> None:
        left = (time.perf_counter() - start) / done * (rounds - done)
        say(f'round {done} of {rounds}, {left / 60:.1f} minutes left')

    times = time_in_turns(timed, rounds, warmup=0, device=device, on_round=progress)
    for i, case in enumerate(cases):
        if case.error:
            case.memory = None
        else:
            case.seconds = times[i]
    return {precision: adds / min(times[precision]) for precision, (_, adds) in peaks.items()}


def make_steps(cases: Sequence[Case], dense: bool, device: torch.device) -> list[Step]:
    """What to call for each case; cases of one model, mode and run share its weights.

    Args:
        cases: params, flops and work are filled in.
        dense: timm models give their feature maps.
        device: of the computation.

    Returns:
        Callables without arguments that never fail: a refusal is kept as the case's error.

    Raises:
        UsageError: a model cannot be built.
    """
    runs: dict[tuple, _Run] = {}
    flops: dict[tuple, int | None] = {}
    steps = []
    for case in cases:
        shape = (case.size, case.batch) if case.mode in EXPORTED_MODES else None
        key = (case.model, case.mode, case.run, case.precision, shape)
        if key not in runs:
            subject = build_subject(case.model, dense)
            for size in {c.size for c in cases if c.model == case.model}:
                if (case.model, size) not in flops:
                    flops[case.model, size] = _flops(subject, size)
            runs[key] = _ExportedRun(subject, case) if shape else _Run(subject, case, device)
        subject = runs[key].subject
        case.params = sum(p.numel() for p in subject.module.parameters())
        case.flops = flops[case.model, case.size]
        forwards = subject.training_forwards if case.run == 'training' else 1
        if case.flops and forwards:
            case.work = case.batch * case.flops * forwards
        steps.append(_guarded(case, runs[key]))
    return steps


def _flops(subject: Subject, size: tuple[int, int]) -> int | None:
    try:
        return subject.flops(size)
    except REFUSALS:
        return None


class _Run:
    """A subject made ready for the mode and run of a case."""

    def __init__(self, subject: Subject, case: Case, device: torch.device) -> None:
        self.subject = subject
        self.device = device
        self.training = case.run == 'training'
        self.dtype = DTYPES[case.precision] if subject.casts and not self.training else None
        subject.module.to(device, self.dtype).train(self.training)
        if case.mode != 'eager' and not self.training:
            fold(subject.module)
        if case.mode == 'compiled':
            subject.compiled_part.compile(dynamic=False)
        # lr=0: the optimiser's step costs its time, but a random loss must not change the weights.
        self.optimizer = torch.optim.AdamW(subject.module.parameters(), lr=0.0)

    def inputs(self, case: Case) -> list:
        made = self.subject.inputs(case.batch, case.size, self.training)
        return [_move(x, self.device, self.dtype) for x in made]

    def call(self, inputs: list, precision: str) -> None:
        """A forward, or a step of training."""
        if precision == 'fp32' or self.dtype:
            context: AbstractContextManager = nullcontext()
        else:
            context = torch.autocast(self.device.type, DTYPES[precision])
        if not self.training:
            with context, constant_weights():  # of what is compiled; as compile_for_inference
                self.subject.infer(*inputs)
            return
        with context:
            loss = self.subject.loss(*inputs)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


class _ExportedRun(_Run):
    """A subject that is exported when it is first called."""

    def __init__(self, subject: Subject, case: Case) -> None:
        super().__init__(subject, case, torch.device('cpu'))
        self.case = case
        self.forward: Callable[[Tensor], object] | None = None

    def call(self, inputs: list, precision: str) -> None:
        if self.forward is None:
            self.forward, self.case.file = exported(
                self.subject.module, self.case.mode, self.case.batch, self.case.size
            )
        self.forward(*inputs)


def _guarded(case: Case, run: _Run) -> Step:
    inputs: list = []

    def step() -> None:
        if case.error:
            return
        try:
            if not inputs:
                inputs.extend(run.inputs(case))
            run.call(inputs, case.precision)
        except REFUSALS as error:
            case.error = one_line(error, 120) or type(error).__name__
            inputs.clear()
            run.optimizer.zero_grad()
            torch.cuda.empty_cache()

    return step


def _move(inputs: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    if isinstance(inputs, list):
        return [x.to(device) for x in inputs]
    return inputs.to(device, dtype) if isinstance(inputs, Tensor) else inputs.to(device)


def matmul(precision: str, device: torch.device) -> tuple[Callable[[], Tensor], int]:
    """A product of square matrices, as linear layers do it, and its multiply-adds."""
    side = PEAK_SIDE[device.type]
    a = torch.randn(side, side, device=device, dtype=DTYPES[precision])
    return lambda: F.linear(a, a), side**3


def summary(case: Case, peaks: Mapping[str, float]) -> dict[str, Any]:
    """A case as a dict, with seconds, rates and shares where it was measured.

    Args:
        peaks: {precision: multiply-adds per second of the best matrix product}.
    """
    row = asdict(case)
    if not case.error:
        quarter, median, upper, p95 = np.percentile(case.seconds, [25, 50, 75, 95])
        row.update(
            median=median, p95=p95, spread=(upper - quarter) / median, images_s=case.batch / median
        )
        if case.work:
            row['peak_share'] = case.work / median / peaks[case.precision]
    return row


def machine(device: torch.device) -> dict[str, str]:
    """Where, with what and when it was measured."""
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = f'CPU ({platform.machine()}), threads: {torch.get_num_threads()}'
    return dict(device=name, torch=torch.__version__, date=str(datetime.date.today()))
