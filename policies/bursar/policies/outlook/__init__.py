"""How a window comes out: what is usual at an hour, how fast money burns, where it ends, and what creeps up."""
