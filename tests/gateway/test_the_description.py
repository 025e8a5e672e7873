"""The OpenAPI document against the gateway that answers it, on real servers.

REQUESTS is about how many schemathesis makes (default 2,000; the issue asks for 20,000).
"""

import asyncio
import json
import os
import sys
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from events import CallId, QuestionAsked, RequestId
from infra.migrations import migrate
from services.gateway.edge import _answers
from tests.gateway.conftest import a_world
from tests.support.secrets_file import a_key_file

REQUESTS = int(os.environ.get("REQUESTS", "2000"))
ROOT = Path(__file__).parents[2]
PLENTY = {"reads_a_minute": 10**8, "commands_a_minute": 10**8, "anonymous_a_minute": 10**8}
# A value may be fit by its shape and still refused by its meaning (422), or be nobody's (404).
CONFIG = """
base-url = {url}
headers = {{ Authorization = {authorization} }}
generation = {{ database = "none" }}

[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "410", "422", "429"]
"""


def answered():
    """How many requests were answered, by status."""
    return {
        sample.labels["status"]: sample.value
        for metric in _answers.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
