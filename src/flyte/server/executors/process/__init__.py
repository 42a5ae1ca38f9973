"""The process executor: a supervisor process owns the task processes, so that the control plane can come and go.

executor.py    the control plane's side: the socket, the port's adapter
keeper.py      when the control plane starts a supervisor, asks it for a sign of life, replaces it
starting.py    the supervisor as a process: its lock, its start, its end
supervisor.py  the supervisor process: connection, attempts, reports
attempt.py     one attempt: its process group, from start or adoption to its end
output.py      what a process prints, on its way into the log segment
logfile.py     the format of log segments
journal.py     what a supervisor must know after its predecessor died
reaper.py      the supervisor's children, and what they left behind
processes.py   process groups, as the operating system knows them
"""
