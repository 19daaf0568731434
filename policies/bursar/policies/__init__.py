"""The ground floor: what the application's guest and the agent must agree on. Pure; reads no clock, socket or environment."""
