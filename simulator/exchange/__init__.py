"""The venue-neutral exchange: accounts, books, matching, ledger, faults. No sockets, no dialect."""
