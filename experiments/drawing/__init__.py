"""Geometry of the pages' drawings. Pure: numbers in, paths and labels out; colours and classes are the templates'."""
