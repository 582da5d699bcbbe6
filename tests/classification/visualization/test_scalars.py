"""What a training logged."""

from pathlib import Path

from classification.visualization.scalars import read_scalars


def test_scalars_of_all_parts_of_a_run_in_order(tmp_path):
    for part, text in (('1', '{"step": 1}\n{"step": 2}\n'), ('2', '{"step": 3}\n')):
        folder = Path(tmp_path, part, 'vis_data')
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(text)
    assert [line['step'] for line in read_scalars(tmp_path)] == [1, 2, 3]


def test_a_line_that_was_not_finished_is_skipped(tmp_path):
    file = tmp_path / '1' / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('{"step": 1}\n{"step": 2, "lo')
    assert [line['step'] for line in read_scalars(tmp_path)] == [1]
