"""``python -m drumscribe``: the command line."""

from drumscribe.cli.commands import main

if __name__ == "__main__":
    main()
