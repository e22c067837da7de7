"""How triplets are made: scenes, operations, physics, pictures, rows.

Importing this package is cheap; everything heavy is imported where it is used.
"""

__version__ = "0.1.0"
