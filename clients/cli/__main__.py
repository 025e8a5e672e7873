"""`errand`, or `python -m clients.cli`."""

import os
import sys

import click

from clients.cli.commands import errand
from clients.cli.screen import plain
from clients.cli.trouble import Trouble

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; trouble is told in two lines, never as a traceback."""
    try:
        code = errand.main(standalone_mode=False, obj=dict(os.environ))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:  # Ctrl-C, as click tells it
        sys.stderr.write("errand: stopped here. A task once sent goes on: `errand watch TASK`.\n")
        sys.exit(_INTERRUPTED)
    except Trouble as trouble:
        sys.stderr.write(f"errand: {plain(trouble.what)}\n")
        if trouble.remedy:
            sys.stderr.write(f"  {plain(trouble.remedy)}\n")
        sys.exit(1)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
