"""The ``dyncp`` command: one file per subcommand."""
