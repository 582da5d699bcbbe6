"""tools/browse_dataset.py: the files that it writes, and what it refuses."""

from PIL import Image


def test_pictures_and_a_sheet(run, here, capsys):
    run('browse_dataset', 'detection', '--number', 3, '--out', 'made/browse')
    names = sorted(path.name for path in (here / 'made/browse').iterdir())
    assert names == ['000000.png', '000001.png', '000002.png', 'sheet.jpg']
    assert Image.open(here / 'made/browse/sheet.jpg').width > 3 * 320
    assert '3 images of train are in made/browse' in capsys.readouterr().out


def test_no_more_than_there_are(run, here):
    run('browse_dataset', 'segmentation', '--split', 'val', '--number', 99)
    assert len(list((here / 'browse').glob('*.png'))) == 4


def test_a_folder_with_files_is_left_alone(fails, here):
    (here / 'kept.txt').write_text('mine')
    assert 'is not empty' in fails('browse_dataset', 'detection', '--out', str(here))
