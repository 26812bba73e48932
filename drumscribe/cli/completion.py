"""``drumscribe completion``: the script with which a shell completes commands, options and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from drumscribe.cli.running import guarded
from drumscribe.errors import OptionsError

HOW = """\b
  bash:  drumscribe completion bash > ~/.local/share/bash-completion/completions/drumscribe
  zsh:   drumscribe completion zsh > ~/.zfunc/_drumscribe      (with ~/.zfunc in fpath)
  fish:  drumscribe completion fish > ~/.config/fish/completions/drumscribe.fish
"""


@click.command(epilog=HOW)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@guarded
def completion(shell: str) -> None:
    """Print the script that completes commands and options in a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise OptionsError(f"Click cannot complete in {shell}.", "Choose bash, zsh or fish.")
    root = click.get_current_context().find_root().command
    # not source(), which starts a bash to ask for its version
    maker = kind(root, {}, "drumscribe", "_DRUMSCRIBE_COMPLETE")
    click.echo(maker.source_template % maker.source_vars())
