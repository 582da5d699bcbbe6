"""An application on a port until Ctrl-C or SIGTERM, which let it finish what it has begun."""

import ipaddress
import math
import os
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from ..engine.errors import UsageError
from .service import Service

_OTHER_CONNECTIONS = 100  # besides those with a request that has a place


def run(app: FastAPI, host: str, port: int, path: str = '') -> None:
    """Serve an application of `app.create_app`.

    After Ctrl-C or SIGTERM no request is taken and those that wait are refused; what the model
    works at is answered. That lasts no longer than the limit of time of a request and two seconds
    more; then the process is left with exit code 0, whatever still runs.

    Args:
        app: the application.
        host: address to listen on.
        port: 0 takes a free one.
        path: of what people are told to look at.

    Raises:
        UsageError: the address cannot be listened on.
    """
    services: list[Service] = app.state.services
    limits = app.state.service.limits
    listener = _listen(host, port)
    if not _is_loopback(host):
        print(
            f'warning: everyone who reaches {host} can use this server, which knows no users and '
            'no encryption: put a proxy that does before it, or leave --host out.',
            file=sys.stderr,
            flush=True,
        )
    address = f'[{host}]' if ':' in host else host
    print(
        f'Ready at http://{address}:{listener.getsockname()[1]}{path} (Ctrl-C ends it)', flush=True
    )
    config = uvicorn.Config(
        app,
        log_level='warning',
        access_log=False,
        server_header=False,
        ws='none',
        limit_concurrency=limits.queue + _OTHER_CONNECTIONS,
        timeout_graceful_shutdown=math.ceil(limits.timeout),
    )
    # uvicorn sends itself the signal once more after it has ended well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    _Server(config, services).run([listener])
    if not all([service.join(1.0) for service in services]):
        # Python would wait for, or crash under, a thread that is inside the model.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm, which would delay every answer by 40 ms, only of sockets
    # that name their protocol; those of socket.create_server do not.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == 'posix':  # so that a server can be started again at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f'{host}, port {port}, cannot be listened on ({error}): give another --host or --port.'
        ) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, which empties the queues before it waits for the last answers."""

    def __init__(self, config: uvicorn.Config, services: list[Service]):
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for service in self._services:
            service.stop()
        await super().shutdown(sockets)


def _is_loopback(host: str) -> bool:
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
