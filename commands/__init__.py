"""The command line. A composition root: it may import every other package; none imports it."""
