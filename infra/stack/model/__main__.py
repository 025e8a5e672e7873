"""`python -m infra.stack.model`: see main.Settings for the environment it reads."""

import os
import sys

from infra.settings import Misconfigured, read
from infra.stack.model.main import Settings, server
from infra.stack.model.script import BadScript

if __name__ == "__main__":
    try:
        server(read(Settings, os.environ)).run()
    except (Misconfigured, BadScript) as error:
        sys.exit(f"the rehearsal model cannot start: {error}")
