"""The storm: real processes, random faults of all kinds, and ten promises checked at its end.

A composition root beside the demo, whose processes, strategies and verdict it shares.
"""
