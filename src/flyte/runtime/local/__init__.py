"""Local mode: a run and its children in this process.

run.py          `flyte.run` in local mode
controller.py   the controller: calls become actions; the attempts that block their caller
awaiting.py     the attempts that are awaited (the only part that needs asyncio)
action.py       one action on its way through the rules of `lifecycle`
values.py       values as another process would get them
variables.py    environment variables for as long as a task runs
record.py       the port to the history    journal.py  its writer     history.py  what was kept, for readers
results.py      the port to kept results   cache.py    in a database  messages.py their wire form
flights.py      equal actions one after the other
clock.py        the time, and waiting
handle.py       the run that is given back
"""
