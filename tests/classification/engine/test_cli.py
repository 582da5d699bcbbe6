"""classification/engine/cli.py: common arguments, and which errors become a sentence."""

import pytest

from classification.engine import cli
from classification.engine.errors import DataError, UsageError


def test_the_command_line(capsys):
    parser = cli.config_parser('Text.')
    assert parser.parse_args(['c.py', '--cfg-options', 'a.b=[1,2]']).cfg_options == {'a.b': [1, 2]}
    assert parser.parse_args(['c.py']).cfg_options == {}
    with pytest.raises(SystemExit):
        parser.parse_args(['c.py', '--cfg-options', 'a'])
    assert "takes KEY=VALUE, not 'a'" in capsys.readouterr().err


@pytest.mark.parametrize(
    'error, sentence',
    [
        (UsageError('Do this.'), 'Do this.'),
        (
            DataError(
                'Caught DataError.\n  Traceback\n'
                'classification.engine.errors.DataError: x.png is bad.'
            ),
            'x.png is bad.',
        ),
        (KeyError('X is not in the mmengine::model registry. Please check'), 'X is not in the'),
        (TypeError("M.__init__() got an unexpected keyword argument 'a'"), "argument 'a'"),
    ],
)
def test_an_expected_error_is_a_sentence(error, sentence, capsys):
    with pytest.raises(SystemExit) as stop, cli.errors_in_one_sentence():
        raise error
    err = capsys.readouterr().err
    assert stop.value.code == 1
    assert err.startswith('error: ') and sentence in err and err.count('\n') == 1


@pytest.mark.parametrize('error', [ValueError('bug'), KeyError('bug'), TypeError('bug')])
def test_an_unexpected_error_keeps_its_traceback(error):
    with pytest.raises(type(error), match='bug'), cli.errors_in_one_sentence():
        raise error


def test_of_processes_that_start_one_speaks(monkeypatch, capsys):
    monkeypatch.setenv('LOCAL_RANK', '1')
    with pytest.raises(SystemExit), cli.errors_in_one_sentence():
        raise UsageError('Do this.')
    assert capsys.readouterr().err == ''
