"""What every command does around its work: settings, errors as a line and an exit status, Ctrl-C."""

from __future__ import annotations

import functools
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from drumscribe.cli.console import complain
from drumscribe.errors import DrumScribeError, OptionsError

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Give a command ``--debug``, and turn errors into a line on stderr and an exit status."""

    @functools.wraps(command)
    def run(debug: bool, **arguments: Any) -> None:
        click.get_current_context().obj = debug
        try:
            status = command(**arguments)
        except DrumScribeError as error:
            trace()
            complain(error)
            status = error.exit_code
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            status = 130
        except Exception as error:  # noqa: BLE001 - the end of the line: nobody above could do anything about it
            complain(unexpected(error))
            status = 1
        sys.exit(status or 0)

    return click.option("--debug", is_flag=True, help="Show the traceback of an error.")(run)


def trace() -> None:
    """With ``--debug``, print the traceback of the error that is being handled."""
    if click.get_current_context().obj:
        traceback.print_exc()


def unexpected(error: Exception) -> DrumScribeError:
    """An error that nobody foresaw, in words."""
    trace()
    return DrumScribeError(f"Something unexpected happened ({type(error).__name__}: {error}).", "Run with --debug.")


def ready_settings() -> Settings:
    """The settings, with the process prepared for them. Raises OptionsError."""
    from pydantic import ValidationError

    from drumscribe.runtime import prepare
    from drumscribe.settings import get_settings

    try:
        settings = get_settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise OptionsError(
            f"The setting {name} is not valid: {first['msg']}.",
            "Correct it in the environment, .env, or drumscribe.toml.",
        ) from error
    prepare(settings)
    return settings


def cancelled_by_ctrl_c() -> threading.Event:
    """An event that the first Ctrl-C sets, so that stages stop cleanly; the second ends the program at once."""
    cancel = threading.Event()

    def stop(*_: object) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)
    return cancel
