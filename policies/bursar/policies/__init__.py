"""The ground floor: what guest and agent must agree on. Pure: it reads no clock, socket or environment."""
