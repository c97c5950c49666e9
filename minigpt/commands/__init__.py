"""One file per command of the command line.

Each has HELP (one line), `add_arguments(parser)` and `run(args) -> exit code`, and imports torch only inside `run`,
so that `--help` answers at once.
"""
