"""The command line of the tools: their common arguments, and errors in one sentence."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import DictAction
from mmengine.dist import is_distributed

from .errors import EXPECTED, printable
from .machine.distributed import first_to_fail

# What MMEngine's registries and constructors say about a config's unknown types and arguments.
_BAD_CONFIG = re.compile(
    r'is not in the \S+ registry|__init__\(\) (got an unexpected keyword|missing \d+ required)'
)


@contextmanager
def errors_in_one_sentence() -> Iterator[None]:
    """Turn an error that the user can cure into `error: …` on stderr and exit code 1.

    Everything else keeps its traceback.
    """
    try:
        yield
        if is_distributed():  # NCCL complains of processes that just leave
            torch.distributed.destroy_process_group()
    except EXPECTED as error:
        _exit(error)
    except (KeyError, TypeError) as error:
        if not _BAD_CONFIG.search(str(error)):
            raise
        _exit(f'The config has an unknown or missing entry: {error.args[0]}')


def _exit(error: Exception | str) -> None:
    if first_to_fail():
        print(f'error: {printable(str(error))}', file=sys.stderr, flush=True)
    sys.exit(1)


def config_parser(
    description: str, config: str | None = None, metavar: str = 'CONFIG'
) -> argparse.ArgumentParser:
    """A parser of what every tool takes: CONFIG, by default `config`, and --cfg-options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = f'path of a config file{"; default: %(default)s" if config else ""}'
    parser.add_argument(
        'config', metavar=metavar, help=text, nargs='?' if config else None, default=config
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_Options,
        default={},
        metavar='KEY=VALUE',
        help='change entries of the config, such as train_dataloader.batch_size=4',
    )
    return parser


class _Options(DictAction):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        for value in values:
            if '=' not in value:
                parser.error(f'--cfg-options takes KEY=VALUE, not {value!r}')
        super().__call__(parser, namespace, values, option_string)
