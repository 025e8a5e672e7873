"""The Python modules of the project that the tests here read."""

from tests.kit.paths import ROOT

FOLDERS = ("events", "services", "infra", "clients", "tests")
MODULES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "samples" not in path.parts
]
