"""What a reader of a layout finds, gathered into the common form."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..files.images import look_at
from ..files.names import FileNames
from ..files.parsing import number
from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import AnnotatedImage, Annotations, Instance
from .objects import Drawn
from .shapes import TOLERANCE, Unusable, shorten


class Gathering:
    """Images, objects, classes and problems, as a reader comes to them.

    Args:
        layout, root: as in Annotations.
        classes: the names that labels may have, in order; None to take all that are found.
    """

    def __init__(self, layout: str, root: Path, classes: Sequence[str] | None = None) -> None:
        self.layout, self.root = layout, root
        self.problems: list[Problem] = []
        self._is_open = classes is None
        self._labels = {name: label for label, name in enumerate(classes or ())}
        self._images: dict[Path, AnnotatedImage] = {}

    def report(self, kind: str, file: Path, record: str = '', detail: str = '') -> None:
        """Add a problem of a kind of `problems.kinds.KINDS`."""
        self.problems.append(problem(kind, file, record, detail))

    def image_of(self, file: Path, name: object, images: FileNames) -> Path | None:
        """The image of a label file: the one of the same name, else the one that it names.

        None where there is none or more than one, which is then a problem.
        """
        found = images.find(file.stem, file.parent)
        if not found and isinstance(name, str) and name:
            found = images.find(name, file.parent)
        if len(found) == 1:
            return found[0]
        if found:
            self.report('several images of one name', file, '', f'{found[0]}, {found[1]}')
        else:
            self.report('label file without an image', file)
        return None

    def image(
        self,
        path: Path,
        source: Path | None,
        split: str | None,
        record: str = '',
        stated: Sequence | None = None,
    ) -> AnnotatedImage | None:
        """A new image, or None where it cannot be used, which is then a problem.

        Args:
            path, source, split: as in AnnotatedImage.
            record: where its annotations say so.
            stated: (width, height) as the annotations say, None where they do not.
        """
        key, source_or_path = path.resolve(), source or path
        if key in self._images:
            same = self._images[key].split == split
            kind = 'image listed twice' if same else 'same image in two splits'
            self.report(kind, source_or_path, record, f'{path.name}; the first was kept')
            return None
        file = look_at(path)
        unusable = file.unusable(source_or_path, record)
        if unusable:
            self.problems.append(unusable)
            return None
        assert file.size and file.stored
        if stated is not None:
            width, height = file.size
            detail = f'{shorten(stated[0])} x {shorten(stated[1])}; it is {width} x {height}'
            found = tuple(map(number, stated))
            if not all(side > 0 for side in found):  # no number, or 0, which some tools write
                self.report('no size stated', source_or_path, record, detail)
            elif found != file.size and found == file.stored:
                self.report('labelled before it was turned', source_or_path, record, detail)
            elif found != file.size:
                self.report("stated size is not the image's", source_or_path, record, detail)
        image = AnnotatedImage(path, file.size, split=split, source=source)
        self._images[key] = image
        return image

    def add(
        self,
        image: AnnotatedImage,
        record: str,
        name: object,
        draw: Callable[[], Drawn],
        crowd: bool = False,
    ) -> Instance | None:
        """Add an object to an image, or the reason why it is none to the problems.

        Args:
            name: of its class.
            draw: gives its box and mask, or raises Unusable.
        """
        file = image.source or image.path
        try:
            instance, excess = draw()
            instance.label = self._label(name)
        except Unusable as reason:
            self.report(reason.kind, file, record, reason.detail)
            return None
        if excess > TOLERANCE:
            kind = 'polygon beyond the image' if instance.has_mask else 'box beyond the image'
            self.report(kind, file, record, f'by {excess:.4g} pixels')
        instance.record, instance.crowd = record, crowd
        image.instances.append(instance)
        return instance

    def _label(self, name: object) -> int:
        text = ' '.join(name.split()) if isinstance(name, str) else ''
        if not text or not text.isprintable():
            raise Unusable('object without a class', shorten(name))
        if text not in self._labels:
            if not self._is_open:
                raise Unusable('annotation of an unknown class', shorten(text))
            self._labels[text] = len(self._labels)
        return self._labels[text]

    def report_unlabelled(self, images: FileNames, files: Iterable[Path]) -> None:
        """Report the images that none of the label files is of."""
        sources = {file.stem.lower() for file in files}
        for path in images.paths:
            if path.resolve() not in self._images and path.stem.lower() not in sources:
                self.report('image without a label file', path)

    def finish(self) -> Annotations:
        """The whole, with images by path and classes, where none were given, by name."""
        names = list(self._labels)
        if self._is_open:
            names.sort()
            order = {label: names.index(name) for name, label in self._labels.items()}
            for image in self._images.values():
                for instance in image.instances:
                    instance.label = order[instance.label]
        images = sorted(self._images.values(), key=lambda image: image.path)
        return Annotations(self.layout, self.root, names, images, problems=self.problems)
