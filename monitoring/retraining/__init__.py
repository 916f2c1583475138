"""When a model is trained anew by itself, as arithmetic: conditions, turns, holds and the parts of its rows. Pure: no ORM, clock or settings."""
