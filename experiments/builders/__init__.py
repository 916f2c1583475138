"""Data sets that the product knows how to make."""
