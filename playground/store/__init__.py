"""The database: append-only writes, records in and out. The only package that knows SQLAlchemy.

SQLite by default, any PostgreSQL by PLAYGROUND_DATABASE_URL. A rating is confirmed only after its commit returned.
"""

from playground.store.imports import Imports
from playground.store.ratings import Ratings
from playground.store.reading import Reading


class Store(Ratings, Imports, Reading):
    """One open database; thread-safe, short transactions. Open with `Store.open(url)`, close when all is written."""
