"""The model that tests of the broker share."""

import pytest

from tests.kit.run.rehearsal_model import running_model


@pytest.fixture
def model(tmp_path):
    with running_model(tmp_path / "model") as running:
        yield running
