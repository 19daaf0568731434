"""Calls that are put off: taken, sent in Message Batches, collected, and answered in time in any case."""
