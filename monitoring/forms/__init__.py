"""Forms of the pages. They check shape and types; services hold the rules."""
