"""The ground floor: what the guest in an application and the agent must agree on. Pure: no clock, socket or environment."""
