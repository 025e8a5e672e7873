"""`make bench [NAME=…]`: each benchmark prints its figures, and one JSON line last."""

import argparse
import asyncio
import importlib
import os
import sys

import msgspec

NAMES = (
    "append",
    "catch_up",
    "follow",
    "rebuild",
    "start",
    "task",
    "delivery",
    "fanout",
    "resume",
    "open",
    "environment",
    "phone",
    "peers",
)

ELSEWHERE = {"environment": "tests.bench.kit.environment"}


def main() -> int:
    """Run the named benchmark, or all; the exit code is 1 when one could not be run."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("name", nargs="?", choices=NAMES, help="NAME=…; all without it")
    options = parser.parse_args()
    for name in [options.name] if options.name else NAMES:
        module = importlib.import_module(ELSEWHERE.get(name, f"tests.bench.bench_{name}"))
        figures = asyncio.run(module.run())
        line = {"bench": name, **figures, "durability": "R1, sync always", "cores": os.cpu_count()}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
