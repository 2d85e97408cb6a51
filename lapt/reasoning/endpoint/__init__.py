"""How a language model is reached: addresses, keys, clients, calls, failures and prices."""
