"""Mutation testing: small faults are put into arithmetic and state tables, one at a time, and the tests have to notice. `make mutants`."""
