"""What five clients make of every fault, and the page that shows it: `python -m bench.faults`."""
