"""Category of a changed file by its path: a test, a lock file, or made by a program. Pure."""

import re
from typing import Final

from events.protocol.api.changes import FileCategory

_LOCKS: Final = re.compile(
    r"(^|/)(package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|bun\.lockb?|go\.sum|"
    r"packages\.lock\.json|gradle\.lockfile|\.terraform\.lock\.hcl|[^/]+\.lock)$",
    re.IGNORECASE,
)
_GENERATED: Final = re.compile(
    r"(^|/)((node_modules|vendor|third_party|dist|__snapshots__|__generated__|generated)/.*|"
    r"[^/]+\.(min\.(js|css)|map|snap|pb\.go|g\.dart)|[^/]+_pb2(_grpc)?\.pyi?|"
    r"[^/]+[._](gen|generated)\.[a-z]+)$",
    re.IGNORECASE,
)
_TESTS: Final = re.compile(
    r"(^|/)((tests?|specs?|__tests__|testdata|fixtures)/.*|(test_|conftest)[^/]*\.py|"
    r"[^/]+[._-](test|tests|spec)\.[a-z]+|[^/]+_test\.go|[^/]+Tests?\.(java|kt|cs|swift))$"
)


def file_category(path: str) -> FileCategory:
    """Return a hint for the order in which a person reads: what a program made comes last."""
    if _LOCKS.search(path):
        return "lock"
    if _GENERATED.search(path):
        return "generated"
    return "test" if _TESTS.search(path) else ""
