"""`errand`, or `python -m clients.cli`."""

import os
import sys

import click

from clients.cli.command_group import errand
from clients.cli.errors import Stopped, Trouble
from clients.cli.terminal.output import write_what_fits
from clients.cli.view.event_view import plain

_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main() -> None:
    """Run the command line; trouble is told in two lines, never as a traceback."""
    write_what_fits(sys.stdout, sys.stderr)
    try:
        code = errand.main(standalone_mode=False, obj=dict(os.environ))
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Stopped as stopped:
        _say_stopped(stopped.task)
        sys.exit(_INTERRUPTED)
    except click.Abort:  # Ctrl-C, as click tells it
        sys.stderr.write("\nerrand: stopped.\n")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_PIPE_CLOSED)
    except Trouble as trouble:
        sys.stderr.write(f"errand: {plain(trouble.what)}\n")
        if trouble.remedy:
            sys.stderr.write(f"  {plain(trouble.remedy)}\n")
        sys.exit(1)
    sys.exit(code or 0)


def _say_stopped(task: str) -> None:
    goes_on = f"The task goes on: errand watch {task}"
    unknown = "If the task was sent already, `errand list` shows it."
    sys.stderr.write(f"\nerrand: stopped here. {goes_on if task else unknown}\n")


if __name__ == "__main__":
    main()
