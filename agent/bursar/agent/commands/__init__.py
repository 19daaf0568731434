"""What the commands do: one module to a question that can be asked on the command line."""
