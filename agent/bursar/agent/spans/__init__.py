"""Spans of others: received, understood, priced, and merged with what the journals tell."""
