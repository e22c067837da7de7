"""Builds the asset pack from the Sweet Home 3D furniture libraries (Debian package sweethome3d-furniture)."""
