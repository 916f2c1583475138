"""Looking for good parameters: what is searched for, where, and what Optuna says of it. Pure: no ORM, clock or settings."""
