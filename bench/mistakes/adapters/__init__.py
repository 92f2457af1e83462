"""One file for each mock: how a tester of it says what is expected.

A function for each kind of case (`differs`, `count`, `order`, `typo`, `raises`); a kind without
a function is one that the mock has no feature for, and so is a case that raises `NoFeature`.
"""
