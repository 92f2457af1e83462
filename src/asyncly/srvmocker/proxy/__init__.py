"""The forward proxy: it records what passes."""
