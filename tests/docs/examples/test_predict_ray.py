"""docs/examples/predict_ray.py, on one machine; Ray is no dependency of this project."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from classification.exported import load
from tests.exported import write_model
from tests.helpers import ROOT, picture


@pytest.mark.slow
@pytest.mark.skipif(not find_spec('ray'), reason='needs ray[data]')
def test_the_results_are_the_models(tmp_path):
    write_model(tmp_path / 'm.onnx', 'classification')
    for i in range(5):
        picture(tmp_path / f'images/{i}.png', seed=i)
    (tmp_path / 'images/bad.png').write_bytes(b'no image')
    command = [sys.executable, ROOT / 'docs/examples/predict_ray.py', 'm.onnx', 'images']
    done = subprocess.run(
        [*command, '--out', 'out'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    lines = [
        json.loads(line)
        for file in (tmp_path / 'out').glob('*.json')
        for line in file.read_text().splitlines()
    ]
    assert len(lines) == 6
    model = load(tmp_path / 'm.onnx')
    for line in lines:
        if line['file_name'].endswith('bad.png'):
            assert 'cannot be read as an image' in line['error'] and not line['result']
            continue
        best = model(str(tmp_path / line['file_name'])).best()
        rounded = [{'class': name, 'score': round(score, 5)} for name, score in best]
        assert json.loads(line['result'])['best'] == rounded and not line['error']
