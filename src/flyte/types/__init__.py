"""Python values ⇄ literals of the protocol.

`engine.py` finds the transformer of a type; the other modules hold one family of types each. The literal forms
are those of sdk_surface §4.14. Pickle lives in `pickled.py` alone, which the control plane may not import.
"""
