"""The `flyte` command: parse, call, print. Everything else is called."""
