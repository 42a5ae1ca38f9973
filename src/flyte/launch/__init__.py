"""`flyte.run` and `flyte.deploy`: discover, plan (pure and printable), apply."""
