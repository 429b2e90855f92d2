"""dissect: what every unit of a vision network detects, how sure we are, and how we know."""

from __future__ import annotations

__version__ = "0.1.0"
