"""Worlds: plain functions that compose a Scene from a seed."""
