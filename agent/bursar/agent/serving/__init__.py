"""How the agent is reached: its socket, who may enter, and what it answers."""
