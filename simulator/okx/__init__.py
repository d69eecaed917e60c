"""The OKX v5 dialect: WebSocket and REST, read from the protocol sheet of 2026-11."""
