"""The Prefect server: its address and settings, the embedded one, its database, its events."""
