"""The database: schema, sessions, search, runs and shards as a leased queue, backup. The only room that knows SQL."""
