"""The predictors behind search methods."""
