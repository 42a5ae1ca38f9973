"""The HTTP edge: RPCs, signed objects, health, and the one gate before all of them."""
