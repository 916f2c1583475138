"""Rows from outside: read in batches, typed as declared, staged on disk, named by their digest. No ORM and no clock."""
