"""Fixtures that every part of the suite may ask for."""

import signal

pytest_plugins = (
    "tests.support.docker_engine",
    "tests.support.stack",
    "tests.support.forge",
    "tests.support.cluster",
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background deaf to Ctrl-C, and programs pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
