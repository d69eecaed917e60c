"""Spot: order forms, replies, user events on the trading socket, queries."""
