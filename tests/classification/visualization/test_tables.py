"""Tables in Markdown."""

from classification.visualization.tables import markdown


def test_markdown():
    assert markdown(('a', 'b'), [(1, 'x'), ('', 2.5)]) == (
        '| a | b |\n|---|---|\n| 1 | x |\n|  | 2.5 |'
    )
