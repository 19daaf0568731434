"""The one transactional truth: the only room that knows the database."""

from bursar.agent.ledger.writer import Ledger, LedgerError, LedgerInUse, LedgerMissing, open_for_reading

__all__ = ["Ledger", "LedgerError", "LedgerInUse", "LedgerMissing", "open_for_reading"]
