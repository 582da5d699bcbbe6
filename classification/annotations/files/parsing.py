"""Text, JSON, XML and YAML files of annotations, which may be damaged or hostile.

Whatever is wrong with a file as a whole is `Unreadable`, an error of one sentence.
"""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import yaml

from ...engine.errors import DataError

# Far above what tools write: CVAT's XML of 100,000 images has about 200 MB.
MOST_BYTES = 1 << 29
# Deeper trees are no annotations, and end the stack of what reads them.
MOST_DEEP = 50
_MARKS = {
    b'\xef\xbb\xbf': 'utf-8-sig',
    b'\xff\xfe': 'utf-16',
    b'\xfe\xff': 'utf-16',
}


class Unreadable(DataError):
    """A file of annotations that cannot be read as a whole.

    Attributes:
        reason: why, without the file's name.
    """

    def __init__(self, path: Path, reason: str, cure: str = 'export it again') -> None:
        super().__init__(f'{path} {reason}: {cure}.')
        self.reason = reason


def read_text(path: Path, encoding: str = 'utf-8') -> str:
    """A text file, in the encoding that its byte order mark names, else in `encoding`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(path, f'has more than {MOST_BYTES >> 20} MB', 'divide it')
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(path, f'cannot be read ({error.strerror})', 'check the file') from None
    for mark, marked in _MARKS.items():
        if content.startswith(mark):
            encoding = marked
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise Unreadable(path, f'is not text in {encoding.upper()}', 'save it as UTF-8') from None


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise Unreadable(path, 'is nested too deeply for annotations') from None
    except ValueError as error:  # of numbers of thousands of digits too
        line = f' from line {error.lineno} on' if isinstance(error, json.JSONDecodeError) else ''
        raise Unreadable(path, f'is no valid JSON{line}') from None


def read_xml(path: Path) -> ElementTree.Element:
    """The root element of an XML file, with the depth of annotations.

    Files with a document type are refused: entities, which can grow without bound or name other
    files, are declared there alone.
    """
    try:
        with path.open('rb') as file:
            head = file.read(200)
    except OSError as error:
        raise Unreadable(path, f'cannot be read ({error.strerror})', 'check the file') from None
    declared = re.search(rb'<\?xml[^>]*encoding=["\']([\w.-]{1,40})["\']', head)
    text = read_text(path, declared[1].decode() if declared else 'utf-8')
    if re.search(r'<!\s*(DOCTYPE|ENTITY)', text, re.IGNORECASE):
        raise Unreadable(path, 'has a document type (<!DOCTYPE), which is not read', 'remove it')
    parser: Any = ElementTree.XMLPullParser(('start', 'end'))
    depth, root = 0, None
    try:
        for start in range(0, len(text), 1 << 16):
            parser.feed(text[start : start + (1 << 16)])
            for event, element in parser.read_events():
                root = element if root is None else root
                depth += 1 if event == 'start' else -1
                if depth > MOST_DEEP:
                    raise Unreadable(path, 'is nested too deeply for annotations')
        parser.close()
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise Unreadable(path, f'is no valid XML from line {line} on') from None
    if root is None:
        raise Unreadable(path, 'is empty')
    return root


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, each value as the text that stands there: `no` stays 'no'."""
    try:
        return yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except RecursionError:
        raise Unreadable(path, 'is nested too deeply for annotations') from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, 'problem_mark', None)
        line = f' from line {mark.line + 1} on' if mark else ''
        raise Unreadable(path, f'is no valid YAML{line}', 'correct it') from None


def number(value: Any) -> float:
    """A number, or a text that is one; NaN for all else, also where it is too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return float('nan')
    if isinstance(value, str) and ('_' in value or len(value) > 400):
        return float('nan')
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float('nan')
