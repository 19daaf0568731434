"""The agent's face: pages to look at, read-only. What changes something is a command, and the page shows it."""
