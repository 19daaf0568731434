"""The policy file: text to frozen rules, or every mistake in it."""

from bursar.policies.policyfile.mistakes import Mistake, PolicyError
from bursar.policies.policyfile.parse import one_cap, parse_policy

__all__ = ["Mistake", "PolicyError", "one_cap", "parse_policy"]
