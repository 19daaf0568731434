"""What is told to whom: steps reached, in words, through channels, until they are taken."""
