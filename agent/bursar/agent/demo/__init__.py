"""A day's budget spent in a minute: an ordinary application, a sandbox that bills, an agent that holds the purse."""
