"""The service: pages and an API over one database, read-only unless it is told otherwise. The only room that knows HTTP."""
