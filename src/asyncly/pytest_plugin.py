"""The pytest plugin: fixtures and reports. It loads nothing of asyncly until it is asked."""
