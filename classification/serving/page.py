"""The page that explains a server's API, made of its OpenAPI description; it loads nothing."""

import json
from collections.abc import Mapping
from typing import Any

from ..visualization.page import Html, Section, code, heading, page, paragraph, table


def api_page(description: Mapping[str, Any], health: Mapping[str, Any], url: str) -> str:
    """The page as HTML.

    Args:
        description: in OpenAPI's format.
        health: what GET /health says, of which the page shows the model.
        url: of the server, as the client calls it, without a slash at the end.
    """
    info = description['info']
    sections = [
        Section('Model', [_model(health)]),
        Section('Examples', [code(_examples(url, health['task']))]),
    ]
    for path, methods in description['paths'].items():
        for method, operation in methods.items():
            sections.append(Section(f'{method.upper()} {path}', _operation(operation)))
    return page(
        info['title'],
        [info['description'], f'The same for programs: {url}/openapi.json'],
        sections,
    )


def _model(health: Mapping[str, Any]) -> Html:
    limits = [(f'limit: {name}', value) for name, value in health['limits'].items()]
    rows = [(name, health[name]) for name in ('model', 'task', 'parameters')]
    return table(
        ['', ''], [*rows, ('classes', ', '.join(health['classes'][:100])), *limits], text=[1]
    )


def _examples(url: str, task: str) -> str:
    calls = [
        f'curl -F image=@photo.jpg {url}/predict',
        f'curl -H "Content-Type: image/jpeg" --data-binary @photo.jpg {url}/predict',
        f'curl -F image=@photo.jpg "{url}/predict?format=overlay" -o overlay.png',
    ]
    if task == 'detection':
        calls.append(f'curl -F image=@photo.jpg "{url}/predict?threshold=0.5&masks=polygon"')
    if task == 'segmentation':
        calls.append(f'curl -F image=@photo.jpg "{url}/predict?format=png" -o map.png')
    return '\n'.join([*calls, f'curl {url}/health'])


def _operation(operation: Mapping[str, Any]) -> list[Html]:
    content = [paragraph(operation.get('description') or operation['summary'])]
    if parameters := operation.get('parameters'):
        rows = [(p['name'], _values(p['schema']), p.get('description', '')) for p in parameters]
        content += [heading('Options, behind ?'), table(['name', 'values', ''], rows, text=[1, 2])]
    if body := operation.get('requestBody'):
        content += [heading('Body'), paragraph(', or '.join(body['content']))]
    rows = [
        (status, answer['description'], ', '.join(answer.get('content', ())))
        for status, answer in operation['responses'].items()
    ]
    return [*content, heading('Answers'), table(['status', '', 'type'], rows, text=[1, 2])]


def _values(schema: Mapping[str, Any]) -> str:
    """What an option's schema allows, in words."""
    kinds = [kind for kind in schema.get('anyOf', [schema]) if kind.get('type') != 'null']
    return ', '.join(
        ' or '.join(map(str, kind['enum'])) if 'enum' in kind else _range(kind) for kind in kinds
    )


def _range(kind: Mapping[str, Any]) -> str:
    bounds = f' from {kind["minimum"]:g} to {kind["maximum"]:g}' if 'minimum' in kind else ''
    return kind.get('type', json.dumps(kind)) + bounds
