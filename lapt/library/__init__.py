"""A library of principles: conditions with the evidence of every task that was read for them."""
