"""What each mock can do, tried out: `python -m bench.capabilities`."""
