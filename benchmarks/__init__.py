"""Measures the router beside its floor: the same hops with the same libraries and no logic."""
