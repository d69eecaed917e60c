"""The router as in production: simulator, worker and strategies, each a process."""
