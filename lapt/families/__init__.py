"""The cell families that come with LAPT, each with all that is known of it."""
