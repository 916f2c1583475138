"""Where versions and rows come from, and what came of them."""
