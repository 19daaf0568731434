"""What does Anthropic bill, what of it does the ledger know, and how does a finance department read either?"""
