"""Bybit v5: linear, inverse and spot of one unified account."""
