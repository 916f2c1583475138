"""`make conformance`: whether clients that know nothing of this product get from it what MLflow's own server gives them."""
