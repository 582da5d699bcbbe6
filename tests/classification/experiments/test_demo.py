"""The demo's plan; the whole runs in tests/tools/test_demo.py."""

from pathlib import Path

from classification.experiments import demo


def test_plan_pairs_starts_with_equal_configs_and_budgets():
    options = dict(classifier=['a=1'], detection=['b=2'])
    classifier, dense = demo.plan(Path('w'), Path('d'), options)
    assert classifier.options == ('a=1',) and classifier.images == Path('d/imagenet/val')
    assert list(dense) == ['detection', 'segmentation']
    for task, (pretrained, scratch) in dense.items():
        assert pretrained.config == scratch.config and pretrained.options == scratch.options
        assert [run.folder for run in (pretrained, scratch)] == [
            Path(f'w/{task}-{start}') for start in demo.STARTS
        ]
    assert dense['detection'][0].options == ('b=2',) and dense['segmentation'][0].options == ()


def test_complete_runs_are_left_as_they_are(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(demo.jobs, 'run_jobs', lambda jobs, slots: started.extend(jobs))
    run = demo.Run('x', tmp_path, 'mila-digits_1xb64_digits', tmp_path)
    run.metrics.write_text('{}')
    demo.train([run])
    assert not started and not (tmp_path / 'minutes.txt').exists()


def test_minutes_of_all_parts_are_summed(tmp_path):
    (tmp_path / 'minutes.txt').write_text('1.50\n2.25\n')
    assert demo.Run('x', tmp_path, 'c', tmp_path).minutes == 3.75
