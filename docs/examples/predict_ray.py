"""Predict images with an exported model on the machines of a Ray cluster.

    pip install "ray[data]" onnxruntime pillow
    python docs/examples/predict_ray.py MODEL.onnx IMAGES… --out DIR

IMAGES are files and folders on storage that all machines see, or addresses such as s3://…; DIR
receives JSON lines {"file_name", "result", "error"}, of which result is a record as JSON: what
results.json or a row of results.csv says of the image. All machines need this project; on one, run
it at the root of a clone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import ray

from classification.engine.prediction.source import Content
from classification.exported import load
from classification.results.writer import RecordWriter


class Predict:
    """A model in a process of its own, which Ray gives batches of files."""

    def __init__(self, model: str):
        self.model = load(model)
        kind = next(k for k in self.model.formats.values() if issubclass(k, RecordWriter))
        self.writer = kind(Path(), self.model.classes, 0.3)  # for its records: it writes no file

    def __call__(self, batch: dict[str, Any]) -> dict[str, list]:
        files = zip(batch['path'], batch['bytes'], strict=True)
        sources = [Content(str(path), Path(), bytes(content)) for path, content in files]
        names, results, errors = [], [], []
        for source, outcome in self.model.stream(sources, batch_size=8):
            failed = isinstance(outcome, Exception)
            names.append(source.file_name)
            errors.append(str(outcome) if failed else '')
            results.append(
                '' if failed else json.dumps(self.writer.record(source.file_name, outcome))
            )
        return {'file_name': names, 'result': results, 'error': errors}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', metavar='MODEL.onnx')
    parser.add_argument('images', nargs='+', metavar='IMAGES')
    parser.add_argument('--out', required=True, metavar='DIR')
    parser.add_argument('--processes', type=int, default=1, help='models at one time')
    args = parser.parse_args()
    files = ray.data.read_binary_files(args.images, include_paths=True)
    files.map_batches(
        Predict,
        fn_constructor_args=(str(Path(args.model).resolve()),),
        concurrency=args.processes,
        batch_size=64,
    ).write_json(args.out)


if __name__ == '__main__':
    main()
