"""Tables, plots and page of a study."""
