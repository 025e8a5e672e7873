"""`errand`, or `python -m clients.cli`."""

import os
import sys

import click

from clients.cli.commands import errand
from clients.cli.trouble import Trouble

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; trouble is told in two lines, never as a traceback."""
    try:
        code = errand.main(standalone_mode=False, obj=dict(os.environ))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_INTERRUPTED)
    except Trouble as trouble:
        sys.stderr.write(f"errand: {trouble.what}\n")
        if trouble.remedy:
            sys.stderr.write(f"  {trouble.remedy}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write(
            "errand: no longer watching; the task goes on. `errand watch` comes back.\n"
        )
        sys.exit(_INTERRUPTED)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
