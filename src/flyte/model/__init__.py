"""What exists: frozen dataclasses with their validation, and nothing else.

Standard library only. Nothing in here does I/O, reads the clock or knows the wire.
"""
