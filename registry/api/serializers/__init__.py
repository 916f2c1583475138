"""What the API shows of each object."""
