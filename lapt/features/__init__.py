"""What a predictor sees of an architecture."""
