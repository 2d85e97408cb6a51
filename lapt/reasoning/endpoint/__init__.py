"""Access to language models: addresses, keys, clients, calls, failures and prices."""
