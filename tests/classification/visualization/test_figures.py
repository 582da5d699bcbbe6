"""Figures without a display and without matplotlib's globals."""

import subprocess
import sys

from PIL import Image

from classification.visualization.figures import picture_grid, plots, save


def test_plots_have_a_size_in_pixels(tmp_path):
    figure, axes = plots(2, 3, (4, 2))
    assert axes.shape == (2, 3)
    save(figure, tmp_path / 'plots.png', dpi=50)
    assert Image.open(tmp_path / 'plots.png').size == (200, 100)


def test_pictures_stand_under_their_titles():
    figure, axes = picture_grid(2, ['image', 'truth'], cell=(2, 1), fontsize=9)
    assert axes.shape == (2, 2) and list(figure.get_size_inches()) == [4, 2]
    assert [ax.get_title() for ax in axes.flat] == ['image', 'truth', '', '']
    assert not any(ax.axison for ax in axes.flat)


def test_no_backend_is_chosen():
    code = (
        'import sys, classification.visualization.figures as f\n'
        'f.plots(1, 1, (1, 1))\n'
        'assert "matplotlib.pyplot" not in sys.modules'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
