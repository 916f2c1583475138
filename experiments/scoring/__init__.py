"""What versions answer to rows."""
