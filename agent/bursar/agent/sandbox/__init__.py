"""What would the Claude API answer, and what would it charge? A local stand-in that bills from tables of its own.

Nothing here imports Bursar's prices, usage or models, so that agreement with Bursar's ledger means something.
"""

from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.cache import Refresh
from bursar.agent.sandbox.server import serving

__all__ = ["Refresh", "create_app", "serving"]
