"""Who needs a long memory? Mixers of tokens on a task that needs one and on a task that does not.

MambaOut (Yu and Wang, CVPR 2025) asks whether vision needs Mamba's memory. Here one block mixes
tokens in five ways, and everything else is equal: the canvases (`DigitPairs`, a token for each
cell), the two questions, the budget and the seeds.
"""

import json
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from ..datasets.digit_pairs import CELL, Canvases, DigitPairs
from ..engine.errors import UsageError
from ..engine.files.atomic import atomic
from ..models.linear_swin import LinearSwin

# What a token reads -> switches of the study; all are the same linear attention.
MIXERS: dict[str, dict[str, Any]] = {
    'local': dict(reach=2),  # 5x5 tokens, as MambaOut's convolutions have 7x7
    'causal': dict(scan=('row',)),
    'forget gate': dict(scan=('row',), forget_gate=True),  # Mamba's scan
    'forget gate, two scans': dict(scan=('row', 'row_back'), forget_gate=True),  # as Vim's
    'all-to-all': {},  # MILA's
}
DEPTH = 2
REACH = 2 * DEPTH  # cells in each direction that `local` knows of after all blocks
DIGITS = 10


@dataclass(frozen=True)
class Budget:
    """What every run gets.

    Attributes:
        steps: of the optimiser.
        batch: canvases per step.
        tested: canvases of the test, with samples that no training has seen.
        rate: the highest learning rate.
    """

    steps: int = 600
    batch: int = 64
    tested: int = 8192
    rate: float = 3e-3


@dataclass(frozen=True)
class Run:
    """One training: a mixer, cells a side of the canvases, a seed."""

    mixer: str
    side: int
    seed: int

    @property
    def file(self) -> str:
        """Name of its results in the work dir."""
        return (
            f'runs/{self.mixer.replace(", ", "-").replace(" ", "-")}_{self.side}_{self.seed}.json'
        )


def build(mixer: str) -> LinearSwin:
    """A small model with answers for each token, (B, side, side, 20).

    The first ten are the logits of the digit that is there, the others those of the other digit.
    """
    model = LinearSwin(
        in_chans=1,
        num_classes=2 * DIGITS,
        global_pool='',
        patch_size=CELL,
        embed_dim=64,
        depths=(DEPTH,),
        num_heads=(4,),
        mlp_ratio=2,
        **MIXERS[mixer],
    )
    for module in model.modules():
        if isinstance(module, nn.Linear):
            # The usual .02 is meant for hundreds of channels; 64 would carry nothing on at first.
            nn.init.xavier_uniform_(module.weight)
    return model


def answers(model: nn.Module, canvases: Canvases) -> tuple[Tensor, Tensor]:
    """What a model says at the cells of the digits: logits (N, 2, 10) of each, and of the other."""
    rows, columns = canvases.cells.unbind(-1)
    at_digits = model(canvases.images)[torch.arange(len(rows))[:, None], rows, columns]
    return at_digits[..., :DIGITS], at_digits[..., DIGITS:]


def loss(model: nn.Module, canvases: Canvases) -> Tensor:
    """The sum of both questions' cross-entropies."""
    here, other = (logits.flatten(0, 1) for logits in answers(model, canvases))
    reading = F.cross_entropy(here, canvases.digits.flatten())
    return reading + F.cross_entropy(other, canvases.digits.flip(1).flatten())


def train(run: Run, budget: Budget) -> nn.Module:
    """Train the model of a run on canvases that are drawn as it goes."""
    torch.manual_seed(run.seed)
    model = build(run.mixer)
    pairs = DigitPairs('train', run.side, run.seed)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, budget.rate, budget.steps, pct_start=0.1
    )
    for _ in range(budget.steps):
        optimizer.zero_grad()
        loss(model, pairs.draw(budget.batch)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def test(model: nn.Module, run: Run, budget: Budget) -> dict[str, Any]:
    """Right answers on canvases of samples that no training has seen.

    Returns:
        here, other: the shares of right answers to the two questions; right, asked: right and all
        answers to the second one by the offset to the other digit, (2 side - 1, 2 side - 1) numbers
        each, rows and columns from -(side - 1) to side - 1.
    """
    # One seed for all runs, so that all are asked about the same canvases.
    pairs = DigitPairs('val', run.side, seed=0)
    read = 0
    right, asked = torch.zeros(2, 2 * run.side - 1, 2 * run.side - 1)
    for start in range(0, budget.tested, budget.batch):
        canvases = pairs.draw(min(budget.batch, budget.tested - start))
        here, other = answers(model, canvases)
        read += int((here.argmax(-1) == canvases.digits).sum())
        correct = other.argmax(-1) == canvases.digits.flip(1)
        where = (canvases.offsets() + run.side - 1).unbind(-1)
        right.index_put_(where, correct.float(), accumulate=True)
        asked.index_put_(where, torch.ones_like(correct, dtype=torch.float32), accumulate=True)
    return dict(
        here=read / (2 * budget.tested),
        other=float(right.sum()) / (2 * budget.tested),
        right=right.int().tolist(),
        asked=asked.int().tolist(),
    )


class MemoryStudy:
    """The runs of the study in one folder; complete ones are kept.

    Args:
        work_dir: the folder.
        mixers: of MIXERS.
        sides: of the canvases, in cells.
        seeds: how many trainings of each.
        budget: of each run.

    Raises:
        UsageError: the folder holds runs of another budget.
    """

    def __init__(
        self,
        work_dir: Path,
        mixers: Sequence[str] = tuple(MIXERS),
        sides: Sequence[int] = (5, 10, 15),
        seeds: int = 3,
        budget: Budget | None = None,
    ) -> None:
        self.work_dir = work_dir
        self.budget = budget or Budget()
        # Every mixer and side with the first seed first: what was interrupted can be compared.
        order = product(range(seeds), sorted(sides), mixers)
        self.runs = [Run(mixer, side, seed) for seed, side, mixer in order]
        written = work_dir / 'budget.json'
        if written.exists() and json.loads(written.read_text()) != asdict(self.budget):
            raise UsageError(f'{work_dir} holds runs of another budget: give another --work-dir.')
        (work_dir / 'runs').mkdir(parents=True, exist_ok=True)
        written.write_text(json.dumps(asdict(self.budget), indent=2) + '\n')

    def train(self) -> None:
        """Train what is not trained yet, a core for each run."""
        todo = [run for run in self.runs if not (self.work_dir / run.file).exists()]
        total = sum(run.side**2 for run in todo)  # the work of a run grows with its tokens
        pool = ProcessPoolExecutor(os.cpu_count(), get_context('spawn'), _one_core)
        with tqdm(total=total, unit='token', unit_scale=True, desc=f'{len(todo)} runs') as bar:
            try:
                started = {pool.submit(_complete, self.work_dir, r, self.budget): r for r in todo}
                for future in as_completed(started):
                    future.result()
                    bar.update(started[future].side ** 2)
            finally:
                # Interrupted, or after an error, what still runs or waits ends here.
                pool.shutdown(wait=False, cancel_futures=True)
                for process in active_children():
                    process.terminate()

    def results(self) -> dict[Run, dict[str, Any]]:
        """What `test` found for every run."""
        return {run: json.loads((self.work_dir / run.file).read_text()) for run in self.runs}


def _one_core() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others


def _complete(work_dir: Path, run: Run, budget: Budget) -> None:
    """Train and test, then write the results of a run."""
    found = test(train(run, budget), run, budget)
    with atomic(work_dir / run.file) as partial:
        partial.write_text(json.dumps(found))
