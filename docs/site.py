"""What the web site needs besides the pages: the files of the project that they link to.

A page on a code host links to `../classification/models/mila.py`. On the site that file lies in
source/, so that the link also works there and without a network; a folder is a list of its files.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'(?<=\]\()(\.\./[^)#\s]+)')


def _target(page: str, link: str) -> Path | None:
    """What a page's link leads to outside of the documents, from the project's root."""
    path = (ROOT / 'docs' / page).parent.joinpath(link).resolve()
    outside = not path.is_relative_to(ROOT / 'docs') and path.is_relative_to(ROOT)
    return path.relative_to(ROOT) if outside and path.exists() else None


def _address(target: Path) -> str:
    """Where it lies on the site; as text, which every browser shows."""
    return f'source/{target.as_posix()}.txt'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to."""
    for file in [file for file in files if file.is_documentation_page()]:
        for link in LINK.findall(file.content_string):
            target = _target(file.src_uri, link)
            if target and not files.get_file_from_path(_address(target)):
                path = ROOT / target
                text = path.read_text() if path.is_file() else '\n'.join(sorted(_list(path)))
                files.append(File.generated(config, _address(target), content=text))
    return files


def _list(folder: Path) -> list[str]:
    return [
        path.name for path in folder.iterdir() if not path.name.startswith(('.', '__pycache__'))
    ]


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links to the project's files lead to where they lie on the site."""

    def moved(link: re.Match[str]) -> str:
        target = _target(page.file.src_uri, link[1])
        if target is None:
            return link[1]
        return '../' * page.file.src_uri.count('/') + _address(target)

    return LINK.sub(moved, markdown)
