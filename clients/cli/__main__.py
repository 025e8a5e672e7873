"""Entry point of the command line: `errand`, or `python -m clients.cli`."""

import os
import sys

import click

from clients.cli.command_group import errand
from clients.cli.errors import CliError, FollowInterrupted
from clients.cli.terminal.output import replace_unencodable
from clients.cli.view.event_view import plain

_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main() -> None:
    """Run the command line; an error is printed as cause and remedy, never as a traceback."""
    replace_unencodable(sys.stdout, sys.stderr)
    try:
        code = errand.main(standalone_mode=False, obj=dict(os.environ))
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FollowInterrupted as stopped:
        _report_interrupt(stopped.task)
        sys.exit(_INTERRUPTED)
    except click.Abort:  # Ctrl-C, as click reports it
        sys.stderr.write("\nerrand: stopped.\n")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # the reader of the pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_PIPE_CLOSED)
    except CliError as trouble:
        sys.stderr.write(f"errand: {plain(trouble.message)}\n")
        if trouble.remedy:
            sys.stderr.write(f"  {plain(trouble.remedy)}\n")
        sys.exit(1)
    sys.exit(code or 0)


def _report_interrupt(task: str) -> None:
    goes_on = f"The task keeps running. To follow it again: errand watch {task}"
    unknown = "If the task was already submitted, `errand list` shows it."
    sys.stderr.write(f"\nerrand: stopped watching. {goes_on if task else unknown}\n")


if __name__ == "__main__":
    main()
