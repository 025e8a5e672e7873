"""Each test of the workspace has a repository and a sandbox of its own."""

from tests.kit.repository.workspace_fixtures import blobs, place, scratch, source  # noqa: F401 - fixtures
