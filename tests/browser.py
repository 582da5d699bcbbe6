"""Chromium without a window, driven as its own developer tools do: by messages in JSON.

They go through a pipe, so nothing but the browser has to be installed.
Source: https://chromedevtools.github.io/devtools-protocol
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')
_SECONDS = 30


def find_chromium():
    """The browser's path; the test is skipped where there is none."""
    found = [path for path in map(shutil.which, _NAMES) if path]
    if not found:
        pytest.skip(
            'no Chromium is installed, so nobody looks at the page: `apt-get install chromium`, '
            'or Google Chrome'
        )
    return found[0]


@contextmanager
def browser(folder):
    """A Browser, which keeps its files in a folder."""
    to_browser, from_browser = os.pipe(), os.pipe()

    def connect():  # the browser reads from 3 and writes to 4
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser[0], from_browser[1])]
        for end, number in zip(ends, (3, 4), strict=True):
            os.dup2(end, number)

    options = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
    command = [find_chromium(), *options, f'--user-data-dir={folder}', '--remote-debugging-pipe']
    process = subprocess.Popen(
        command,
        preexec_fn=connect,
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Browser(to_browser[1], from_browser[0])
    finally:
        process.kill()
        process.wait()
        for end in (*to_browser, *from_browser):
            os.close(end)


class Browser:
    """The other end of the pipe."""

    def __init__(self, out, into):
        self._out, self._into, self._rest = out, into, b''
        self._numbers, self.tabs = itertools.count(1), {}

    def call(self, method, session=None, **arguments):
        """The result of a method of the protocol."""
        number = next(self._numbers)
        message = dict(id=number, method=method, params=arguments)
        if session:
            message['sessionId'] = session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == number:
                assert 'error' not in answer, answer['error']
                return answer['result']
            if tab := self.tabs.get(answer.get('sessionId')):
                tab.note(answer['method'], answer['params'])

    def _read(self):
        while b'\0' not in self._rest:
            assert select.select([self._into], [], [], _SECONDS)[0], 'the browser does not answer'
            part = os.read(self._into, 1 << 20)
            assert part, 'the browser has ended'
            self._rest += part
        message, self._rest = self._rest.split(b'\0', 1)
        return json.loads(message)

    def tab(self, url, width=1280, height=900):
        """A Tab with a page, as of a user who shares nothing with those of other tabs."""
        user = self.call('Target.createBrowserContext')['browserContextId']
        target = self.call('Target.createTarget', url='about:blank', browserContextId=user)
        session = self.call('Target.attachToTarget', targetId=target['targetId'], flatten=True)
        tab = self.tabs[session['sessionId']] = Tab(self, session['sessionId'])
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            tab.call(f'{domain}.enable')
        size = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        tab.call('Emulation.setDeviceMetricsOverride', **size)
        tab.call('Page.navigate', url=url)
        return tab


class Tab:
    """A page.

    Attributes:
        requests: addresses that were asked for.
        errors: what the browser has complained of.
    """

    def __init__(self, browser, session):
        self._browser, self._session = browser, session
        self.requests, self.errors = [], []

    def call(self, method, **arguments):
        return self._browser.call(method, self._session, **arguments)

    def note(self, event, details):
        if event == 'Network.requestWillBeSent':
            self.requests.append(details['request']['url'])
        if event == 'Runtime.exceptionThrown':
            self.errors.append(details['exceptionDetails'].get('exception', details))
        if event == 'Log.entryAdded' and details['entry']['level'] == 'error':
            self.errors.append((details['entry']['text'], details['entry'].get('url')))

    def value(self, script):
        """The value of an expression of JavaScript."""
        answer = self.call(
            'Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True
        )
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def until(self, script):
        """Wait until an expression is true."""
        end = time.monotonic() + _SECONDS
        while not self.value(f'Boolean({script})'):
            assert time.monotonic() < end, f'{script}\n{self.value("document.body.innerText")}'
            time.sleep(0.05)

    def text(self, selector):
        """What can be read there, once there is something."""
        script = f'(document.querySelector({selector!r}) || {{}}).innerText'
        self.until(script)
        return self.value(script)

    def point(self, selector, share=(0.5, 0.5)):
        """(x, y) of a point of an element, as soon as it is there and has its size."""
        element = f'document.querySelector({selector!r})'
        self.until(f'{element} && {element}.getBoundingClientRect().width > 0')
        self.value(f'{element}.scrollIntoView({{block: "center"}})')
        keys = ('left', 'top', 'width', 'height')
        box = self.value(f'JSON.stringify({element}.getBoundingClientRect())')
        left, top, width, height = (json.loads(box)[key] for key in keys)
        return dict(x=left + share[0] * width, y=top + share[1] * height)

    def hover(self, selector, share=(0.5, 0.5)):
        place = self.point(selector, share)
        self.call('Input.dispatchMouseEvent', type='mouseMoved', **place)

    def click(self, selector, share=(0.5, 0.5)):
        place = self.point(selector, share)
        for kind in ('mousePressed', 'mouseReleased'):
            options = dict(type=kind, button='left', clickCount=1)
            self.call('Input.dispatchMouseEvent', **options, **place)

    def press(self, key):
        for kind in ('keyDown', 'keyUp'):
            code = dict(End=35, Home=36)[key]
            self.call('Input.dispatchKeyEvent', type=kind, key=key, windowsVirtualKeyCode=code)

    def choose_file(self, selector, path):
        """Let a user choose a file."""
        root = self.call('DOM.getDocument')['root']['nodeId']
        node = self.call('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
        self.call('DOM.setFileInputFiles', files=[str(path)], nodeId=node)

    def screenshot(self, path):
        """Write what is seen to a .png or .jpg file."""
        kind = dict(format='jpeg', quality=85) if path.suffix == '.jpg' else dict(format='png')
        path.write_bytes(base64.b64decode(self.call('Page.captureScreenshot', **kind)['data']))
