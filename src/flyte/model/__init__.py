"""What exists: frozen dataclasses with their validation, and nothing else.

Standard library only. Nothing in here reads the clock or knows the wire, and only an image's tag reads files: those
that the image is made of.
"""
