"""charrnn: learn a text character by character, and write more of it.

Importing the package loads nothing heavy: neither torch nor numpy.
"""

__version__ = "0.1.0"
