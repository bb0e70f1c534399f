"""The clinical task playground: tasks, scoring, ratings and pages. README.md in this folder is its map."""

__version__ = "0.1.0"
