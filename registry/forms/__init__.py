"""Forms of the registry's pages. They check shape and types; services hold the rules."""
