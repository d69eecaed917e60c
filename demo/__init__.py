"""The demo: an embedded Redis, the simulator, a worker, jobs and strategies, and the verdict."""
