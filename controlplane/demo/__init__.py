"""The demo: its people, its first model, and the story that carries it to its first champion."""
