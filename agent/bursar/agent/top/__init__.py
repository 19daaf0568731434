"""The ledger in a terminal, as it moves."""
