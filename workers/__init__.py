"""The processes that touch the venue: connections, acks, the ladder, reconciling, rq jobs."""
