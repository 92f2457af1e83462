"""Twenty mistakes of a tester, and what each mock says about them: `python -m bench.mistakes`."""
