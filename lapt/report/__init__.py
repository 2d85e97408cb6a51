"""Tables, figures and pages of runs and studies. A page is one HTML file without scripts, fonts or addresses."""
