"""`python -m infra.simulators.anthropic`: see main.Settings for the environment it reads."""

import os
import sys

from infra.runtime.settings import Misconfigured, read
from infra.simulators.anthropic.main import Settings, server
from infra.simulators.anthropic.scripts.script import BadScript

if __name__ == "__main__":
    try:
        server(read(Settings, os.environ)).run()
    except (Misconfigured, BadScript) as error:
        sys.exit(f"the rehearsal model cannot start: {error}")
