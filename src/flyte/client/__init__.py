"""Talking to a backend: the Connect transport, the session of this process, watches that resume."""
