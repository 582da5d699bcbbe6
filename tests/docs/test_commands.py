"""The commands of the documents: each is known, and those that need no data from elsewhere run.

In front of each block with commands a comment says `run by tests` or why not; the blocks of a page
are run in their order, in one folder.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from tests.helpers import ROOT

DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
BLOCK = re.compile(r'(?:<!-- ([^>]*) -->\n)?^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r'(python (tools|-m)|bash tools|tools/\w+\.sh|make|mila|pip) ?')
RUN = 'run by tests'
SMALLER = 'python tools/make_digits.py --out data/digits\n'  # the tests' own lie there
CARRIED = ('tools', 'configs', 'classification', 'detection', 'segmentation', 'docs', 'Makefile')


class Block(NamedTuple):
    note: str  # the comment in front of it
    text: str

    @property
    def commands(self) -> list[str]:
        """Each without its comment, and with the variables that lines before it set."""
        variables, found = {}, []
        for line in re.sub(r'\\\n', ' ', self.text).splitlines():
            if re.fullmatch(r'(\w+=\S+ ?)+', line):
                variables |= dict(setting.split('=') for setting in line.split())
            elif COMMAND.match(line):
                command = re.split(r'\s{2,}#|\s&&\s', line)[0].strip()
                for name, value in variables.items():
                    command = command.replace(f'${name}', value)
                found.append(command)
        return found


def blocks(path):
    """Those with a command."""
    found = [
        Block(note, text)
        for note, language, text in BLOCK.findall(path.read_text())
        if language in ('', 'sh', 'bash')
    ]
    return [block for block in found if block.commands]


CASES = [
    pytest.param(block, id=f'{path.relative_to(ROOT)}-{number}')
    for path in DOCUMENTS
    for number, block in enumerate(blocks(path))
]


@pytest.mark.parametrize('block', CASES)
def test_it_says_whether_tests_run_it(block):
    assert block.note == RUN or re.fullmatch(r'not run by tests: .+', block.note, re.DOTALL)


@pytest.mark.parametrize('block', CASES)
def test_its_commands_are_known(block, script):
    makefile = (ROOT / 'Makefile').read_text()
    for command in block.commands:
        program, *arguments = shlex.split(command)
        if program == 'make':
            assert re.search(rf'^{arguments[0]}:', makefile, re.MULTILINE), command
        if program == 'python' and arguments[0].startswith('tools/'):
            tool = script(arguments[0][len('tools/') : -len('.py')])
            if not re.search(r'[\[|]', command):  # a line of usage has no values
                tool.parse_args(arguments[1:])
        for file in re.findall(r'tools/\w+\.(?:sh|py)', command):
            assert (ROOT / file).exists(), command


def test_blocks_are_found(tmp_path):
    """So that the tests above can fail."""
    page = tmp_path / 'page.md'
    page.write_text(
        'a\n\n<!-- run by tests -->\n```\nQ=x/y\npython tools/a.py $Q \\\n  --b  # why\n```\n'
        '```python\nmake = 1\n```\n\n```\nno command\nmake demo && cd x\n```\n'
    )
    assert [(block.note, block.commands) for block in blocks(page)] == [
        (RUN, ['python tools/a.py x/y    --b']),
        ('', ['make demo']),
    ]


def _run(commands, folder):
    """The commands by bash in a folder that looks like the project's."""
    for name in CARRIED:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', '-euc', commands],
        cwd=folder,
        env={**os.environ, 'PATH': path, 'PYTHONPATH': str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope='module')
def photos(tmp_path_factory, digits):
    """A folder with what the pages call work_dirs/photos, photos-2, images/,
    clip.avi and large.png."""
    folder = tmp_path_factory.mktemp('photos')
    shutil.copytree(digits / 'data', folder / 'data')
    _run(
        'python tools/finetune.py data/digits/coco --model mila-digits --from-scratch --no-flip'
        ' --epochs 2 --work-dir work_dirs/photos\n'
        'cp -r data/digits/coco/val2017 images; mkdir checkpoints\n'
        'cp work_dirs/photos/epoch_2.pth checkpoints/own.pth\n'
        'cp -r work_dirs/photos work_dirs/photos-2',
        folder,
    )
    image = cv2.imread(str(next((folder / 'images').iterdir())))
    cv2.imwrite(str(folder / 'large.png'), np.tile(image, (2, 3, 1)))
    height, width = image.shape[:2]
    clip = cv2.VideoWriter(
        str(folder / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (width, height)
    )
    for _ in range(3):
        clip.write(image)
    clip.release()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    'path',
    [path for path in DOCUMENTS if any(block.note == RUN for block in blocks(path))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_page_runs(path, photos):
    commands = '\n'.join(block.text for block in blocks(path) if block.note == RUN)
    _run(commands.replace(SMALLER, ''), photos)
