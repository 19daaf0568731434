"""The prompt cache: a model of it, where to mark, what breaks it, and marks that Bursar adds by itself."""
