"""The demo: a whole stack on one machine, faults, and a verdict. A composition root."""
