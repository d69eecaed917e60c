"""The durable core: contracts, ids, state machine, outcome rules, keyspace, Redis functions."""
