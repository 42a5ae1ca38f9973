"""The control plane: a durable state machine over a database, spoken to in one protocol.

It never imports user code, never unpickles, and trusts no path or name from outside.
"""
