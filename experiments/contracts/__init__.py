"""Data contracts: rules, how they are written, proposed and compared, and how rows are held to them. No ORM, clock or settings."""
