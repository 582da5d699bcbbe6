"""Every kind of problem that annotated images can have: how much it matters and how to cure it."""

from pathlib import Path

from .problem import Problem, Severity

FATAL, DOUBTFUL, HARMLESS = Severity.FATAL, Severity.DOUBTFUL, Severity.HARMLESS

_LEFT_OUT = 'correct or delete it; it is left out, and its pixels are trained on as background'

# kind -> (severity, cure)
KINDS: dict[str, tuple[Severity, str]] = {
    # Image files
    'missing image': (FATAL, 'put it there or remove its record'),
    'unreadable image': (FATAL, 'replace or remove the file'),
    'suffix of another format': (HARMLESS, 'give the file the suffix of its content'),
    'image turned by its EXIF data': (HARMLESS, 'see that it was labelled as viewers show it'),
    'image smaller than 32 pixels': (DOUBTFUL, 'remove it or use a larger one'),
    'image more than 20 times as long as wide': (DOUBTFUL, 'cut it into pieces'),
    'image without a record': (HARMLESS, 'annotate it, or ignore that it is not used'),
    'same image twice': (DOUBTFUL, 'remove one of them'),
    'same image in two splits': (DOUBTFUL, 'keep it in one split: its score is not to be trusted'),
    'same image with two labels': (DOUBTFUL, 'keep the right one'),
    'nearly the same image twice': (HARMLESS, 'remove one of them'),
    'nearly the same image in two splits': (DOUBTFUL, 'keep both in one split'),
    # Classes
    'class without a name or number': (FATAL, 'give each class an id and a name'),
    'class named twice': (FATAL, 'keep one of them'),
    'class that is not expected': (FATAL, 'make the classes of config and data agree'),
    'class that is missing': (FATAL, 'make the classes of config and data agree'),
    'classes in another order': (HARMLESS, 'order the classes as in the file'),
    'class without an example': (DOUBTFUL, 'add examples or remove the class'),
    'class of validation without training examples': (DOUBTFUL, 'add examples to train on'),
    'class names that differ in case or spaces alone': (DOUBTFUL, 'give both one name'),
    # Records
    'file not in plain UTF-8': (HARMLESS, 'save it as UTF-8 without byte order mark'),
    'no annotations': (DOUBTFUL, 'add the list `annotations`'),
    'record without a usable id': (DOUBTFUL, 'give it an id of its own; it is left out'),
    'image record that cannot be used': (FATAL, 'give it an id and a file_name'),
    'image id given twice': (FATAL, 'give each image an id of its own'),
    'annotation id given twice': (DOUBTFUL, 'give each annotation an id of its own'),
    'image listed twice': (DOUBTFUL, 'join its records; their objects are taken together'),
    'no size stated': (HARMLESS, "state the image's width and height"),
    "stated size is not the image's": (FATAL, 'annotate the image that is there'),
    'labelled before it was turned': (
        FATAL,
        'the size stated is that of the stored pixels: label the upright image, or remove its '
        'EXIF orientation',
    ),
    'annotation without a usable image_id': (DOUBTFUL, 'give the id of its image or delete it'),
    'annotation of no image': (DOUBTFUL, 'add the image or delete the annotation'),
    'annotation of an unknown class': (DOUBTFUL, _LEFT_OUT),
    'annotation that is no object': (DOUBTFUL, _LEFT_OUT),
    'annotation to be ignored': (DOUBTFUL, 'make it iscrowd, or remove `ignore`; it is left out'),
    'iscrowd that is neither 0 nor 1': (DOUBTFUL, _LEFT_OUT),
    'no iscrowd': (HARMLESS, 'add "iscrowd": 0'),
    'no area': (HARMLESS, 'add the area in pixels'),
    'area that is no number': (HARMLESS, 'correct the area'),
    'area of zero or less': (HARMLESS, 'correct the area'),
    # Boxes
    'no box': (DOUBTFUL, _LEFT_OUT),
    'box that is not four numbers': (DOUBTFUL, _LEFT_OUT),
    'box without area': (DOUBTFUL, _LEFT_OUT),
    'box smaller than a pixel': (DOUBTFUL, _LEFT_OUT),
    'box outside the image': (DOUBTFUL, _LEFT_OUT),
    'box beyond the image': (
        DOUBTFUL,
        'cut it off at the edge, as is done here; is it x, y, w, h?',
    ),
    'box that does not fit its mask': (DOUBTFUL, 'correct one of them; is it x, y, w, h?'),
    # Masks
    'mask of an unknown form': (DOUBTFUL, _LEFT_OUT),
    'polygon with a value that is no number': (DOUBTFUL, _LEFT_OUT),
    'polygon with half a point': (DOUBTFUL, _LEFT_OUT),
    'polygon of fewer than three points': (DOUBTFUL, _LEFT_OUT),
    'polygon without area': (DOUBTFUL, _LEFT_OUT),
    'polygon far outside the image': (DOUBTFUL, _LEFT_OUT),
    'polygon beyond the image': (DOUBTFUL, 'cut it off at the edge'),
    'run lengths of another size': (DOUBTFUL, _LEFT_OUT),
    'run lengths that are malformed': (DOUBTFUL, _LEFT_OUT),
    'mask without a pixel': (DOUBTFUL, _LEFT_OUT),
    'object without a mask among objects with one': (DOUBTFUL, 'draw its outline'),
    'object without a mask': (
        FATAL,
        'the config trains on masks: draw its outline, or take a config without a mask head',
    ),
    'run lengths where polygons are loaded': (
        DOUBTFUL,
        'load annotations with poly2mask=True; the object is not trained on',
    ),
    # Maps
    'image of another suffix': (DOUBTFUL, 'set img_suffix, or convert it; it is not used'),
    'image without a map': (FATAL, 'add its map or remove the image'),
    'map without an image': (DOUBTFUL, 'add its image or remove the map'),
    'two images of one map': (FATAL, 'keep one of them'),
    'unreadable map': (FATAL, 'replace it'),
    'map of another size': (FATAL, 'draw it at the size of its image'),
    'map of colours where indexes are meant': (
        FATAL,
        'give a legend of the colours, or save class indexes in one channel',
    ),
    'map with an unknown colour or value': (
        FATAL,
        'name it in the legend or the classes, or correct the map',
    ),
    'map of fractions': (FATAL, 'save class indexes as 8-bit PNG'),
    'map in a lossy format': (DOUBTFUL, 'save it as PNG: JPEG changes labels at every edge'),
    'map without a class': (DOUBTFUL, 'all its pixels are ignored: draw it or remove it'),
    'maps of one class alone': (
        FATAL,
        'there is nothing to learn: masks of 0 and 255 need a legend or 1 instead of 255',
    ),
    # Folders of classes
    'class folder without images': (FATAL, 'add some or remove the folder'),
    'image in no class folder': (DOUBTFUL, 'move it into the folder of its class'),
    # Label files
    'unreadable label file': (DOUBTFUL, 'export it again; its image is left out'),
    'label file without an image': (DOUBTFUL, 'put its image there or remove it'),
    'image without a label file': (DOUBTFUL, 'label it, or remove it: it is left out'),
    'unreadable list of images': (FATAL, 'save it anew as text in UTF-8'),
    'list names what is not there': (DOUBTFUL, 'put it there or remove the line'),
    'several label files of one image': (DOUBTFUL, 'keep one; the image is left out'),
    'image without objects or label file': (
        DOUBTFUL,
        'label it, or give it an empty label file; it is trained on as background',
    ),
    'another number of classes than names': (DOUBTFUL, 'correct one of them; the names count'),
    'class number without a name': (FATAL, 'name all classes, in the order of their numbers'),
    'line of another length': (DOUBTFUL, _LEFT_OUT),
    'values that are no shares of the image': (
        DOUBTFUL,
        "divide x by the image's width and y by its height; it is left out",
    ),
    'split without images': (DOUBTFUL, 'correct the path or remove the entry'),
    'difficult that is neither 0 nor 1': (DOUBTFUL, _LEFT_OUT),
    'angle that is no number': (DOUBTFUL, _LEFT_OUT),
    'several images of one name': (DOUBTFUL, 'keep the one that was labelled'),
    'object without a class': (DOUBTFUL, _LEFT_OUT),
    'shape that is no area': (DOUBTFUL, 'draw a box, polygon or mask; it is left out'),
    'shape with another number of points': (DOUBTFUL, _LEFT_OUT),
    'points that are no pairs': (DOUBTFUL, _LEFT_OUT),
    'mask larger than the image': (DOUBTFUL, _LEFT_OUT),
    # Sets
    'nothing to train on': (FATAL, 'check the folder and the records'),
    'image without objects': (HARMLESS, 'it is trained on as background'),
}

# Objects with one of these are not trained on.
LEFT_OUT = {kind for kind, (_, cure) in KINDS.items() if cure == _LEFT_OUT} | {
    'record without a usable id',
    'annotation of no image',
    'annotation without a usable image_id',
    'annotation to be ignored',
    'area of zero or less',
    'run lengths where polygons are loaded',
}
# These matter only where masks are used.
MASKS = {kind for kind in KINDS if kind.startswith(('polygon', 'run lengths', 'mask '))}


def problem(kind: str, file: Path, record: str = '', detail: str = '') -> Problem:
    """The Problem of a kind, with its severity and cure.

    Args:
        kind: a key of KINDS.
        file, record, detail: see Problem.
    """
    severity, cure = KINDS[kind]
    return Problem(severity, kind, file, record, detail, cure)
