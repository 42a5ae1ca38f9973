"""The pure state machine: (state, event) → (state, commands), without I/O, clocks or randomness.

The control plane's loops and local mode both decide with it, so that a task behaves alike in every mode.
"""
