"""Reading a declared source: the first look that a person chooses columns by, and the rows that a job stages."""
