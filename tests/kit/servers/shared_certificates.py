"""Reads once per process what every client would read again, and what never differs between them.

That is the list of authorities that certificates are checked against (httpx, for each client) and
botocore's description of S3 (for each session). tests/conftest.py registers this.
"""

import functools
import os
import ssl
from typing import Any

import httpx
from botocore.loaders import JSONFileLoader

_make_context = httpx._transports.default.create_ssl_context
_load_file = JSONFileLoader.load_file


@functools.cache
def _usual_context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return _make_context()


def _ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is not True or cert is not None:
        return _make_context(verify=verify, cert=cert, trust_env=trust_env)
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR") if trust_env else ("", "")
    return _usual_context(*(os.environ.get(name) for name in names))


@functools.cache
def _description(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


def pytest_configure() -> None:
    httpx._transports.default.create_ssl_context = _ssl_context
    JSONFileLoader.load_file = lambda _loader, path: _description(path)
