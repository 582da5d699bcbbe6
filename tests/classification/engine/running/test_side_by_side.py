"""engine/running/side_by_side.py: pictures of images in an archive too."""

import tarfile
from pathlib import Path

from PIL import Image


def test_images_of_an_archive(trained, run, here):
    root = Path('data/digits/imagenet/val').resolve()
    with tarfile.open('val.tar', 'w') as archive:
        for folder in sorted(root.iterdir())[:2]:
            archive.add(folder, folder.name)
    checkpoint = trained('classification') / 'epoch_2.pth'
    for kind, source in (('ImageArchive', 'val.tar'), ('ImageFolder', str(root))):
        options = [
            f'test_dataloader.dataset.{k}={v}' for k, v in dict(type=kind, data_root=source).items()
        ]
        classes = ','.join(folder.name for folder in sorted(root.iterdir()))
        options.append(f'test_dataloader.dataset.metainfo.classes=[{classes}]')
        run('test', 'classification', checkpoint, '--show-dir', kind, '--cfg-options', *options)
    pictures = sorted(Path('ImageArchive').iterdir())
    assert pictures
    for picture in pictures:
        with Image.open(picture) as one, Image.open(f'ImageFolder/{picture.name}') as other:
            assert one.tobytes() == other.tobytes()
