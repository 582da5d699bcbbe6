"""Run a tool of the installed package: `mila train CONFIG` is `python tools/train.py CONFIG`.

mila TOOL [ARGUMENTS…]
mila dist-train CONFIG N [options of mila train]
mila dist-test CONFIG CHECKPOINT N [options of mila test]
"""

import difflib
import runpy
import sys
from pathlib import Path

TOOLS = Path(__file__).parent


def distributed(name: str, arguments: list[str]) -> list[str]:
    """Arguments of launch.py for a tool in N processes; N comes after what the tool needs."""
    needed = {'train': 1, 'test': 2}[name]
    if len(arguments) <= needed:
        what = 'CONFIG' if name == 'train' else 'CONFIG CHECKPOINT'
        sys.exit(f'error: usage is mila dist-{name} {what} N [options of mila {name}]')
    count = arguments.pop(needed)
    return [count, str(TOOLS / f'{name}.py'), *arguments]


def main() -> None:
    """Run the tool that the first argument names."""
    names = sorted(file.stem.replace('_', '-') for file in TOOLS.glob('[!_]*.py'))
    name, arguments = ''.join(sys.argv[1:2]), sys.argv[2:]
    if name in ('', '-h', '--help'):
        print(f'{__doc__}\nTools: {", ".join(names)}; each has --help.')
        sys.exit(0 if name else 2)
    if name in ('dist-train', 'dist-test'):
        name, arguments = 'launch', distributed(name.removeprefix('dist-'), arguments)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1) or names
        sys.exit(f'error: there is no tool {name}: did you mean {" or ".join(near)}?')
    sys.argv = [f'mila {name}', *arguments]
    runpy.run_path(str(TOOLS / f'{name.replace("-", "_")}.py'), run_name='__main__')


if __name__ == '__main__':
    main()
