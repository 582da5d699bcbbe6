"""engine/machine/distributed.py: no process outlives its launcher."""

import os
import signal
import sys
import time
from subprocess import PIPE, Popen

from tests.helpers import ROOT

RANK = """
from classification.engine.machine.distributed import end_with_launcher
end_with_launcher()
print('up', flush=True)
import time; time.sleep(60)
"""
LAUNCHER = f"""
import subprocess, sys
rank = subprocess.Popen([sys.executable, '-c', {RANK!r}])
print(rank.pid, flush=True)
rank.wait()
"""


def test_a_rank_ends_after_its_launcher():
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    with Popen([sys.executable, '-c', LAUNCHER], env=env, stdout=PIPE, text=True) as launcher:
        said = {launcher.stdout.readline().strip() for _ in range(2)}
        (rank,) = (int(line) for line in said - {'up'})
        launcher.kill()
        for _ in range(100):
            try:
                os.kill(rank, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
        os.kill(rank, signal.SIGKILL)
        raise AssertionError('The rank is alive ten seconds after its launcher was killed.')
