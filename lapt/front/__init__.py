"""The front door: LAPT in a notebook or a script. Alone in ``lapt`` it may reach the store and the flows, lazily."""
