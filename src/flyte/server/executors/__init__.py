"""The port to whatever runs attempts, and its adapters."""
