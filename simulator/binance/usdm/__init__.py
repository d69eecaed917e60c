"""USDⓈ-M futures: order forms, replies, user events, queries."""
