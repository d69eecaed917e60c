"""What every venue must do, asked of each folder of ``workers/venues/`` by its ``sample.py``."""
