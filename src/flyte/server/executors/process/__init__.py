"""The process executor: a supervisor process owns the task processes, so that the control plane can come and go.

executor.py    the control plane's side: the socket, the port's adapter
supervisor.py  the supervisor process: connection, attempts, reports
attempt.py     one attempt: process group, log, end
logfile.py     the format of log segments
journal.py     what a supervisor must know after its predecessor died
"""
