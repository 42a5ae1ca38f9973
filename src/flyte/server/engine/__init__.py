"""Loops with effects around the pure machine: read, decide, write, act. Each runs until there is nothing to do."""
