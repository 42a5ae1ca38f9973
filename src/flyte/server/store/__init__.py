"""The port to the database, its adapters, and the named queries. SQL lives in `sql/`, nowhere else."""
