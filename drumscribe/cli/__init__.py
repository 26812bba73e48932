"""The command line."""

from drumscribe.cli.commands import cli, main

__all__ = ["cli", "main"]
