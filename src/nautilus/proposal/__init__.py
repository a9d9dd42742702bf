"""Densities to draw from."""
