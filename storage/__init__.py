"""The result store: Parquet data sets, SQL over them, benchmark tables on disk."""
