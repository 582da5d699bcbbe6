"""Tables for people."""


def markdown(titles, rows):
    """A Markdown table, without a line end after its last row."""
    lines = [_row(titles), '|---' * len(titles) + '|', *map(_row, rows)]
    return '\n'.join(lines)


def _row(cells):
    return f'| {" | ".join(map(str, cells))} |'
