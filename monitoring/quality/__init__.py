"""Quality as late labels tell it: joined, counted, read off with intervals."""
