"""Local mode: children in this process.

run.py          `flyte.run` in local mode
controller.py   the controller: calls become actions, by the rules of `lifecycle`
handle.py       the run that is given back
variables.py    environment variables for as long as a task runs
"""
