"""Model ⇄ protobuf: identifiers, phases, task specs, inputs and outputs, names and keys, and the service table.

Everything that must be the same on the wire as the official SDK's is in here; docs/decisions and the golden
messages under tests/wire say how that is known.
"""
