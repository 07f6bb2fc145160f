"""The steps of the schema, a file each; a released one never changes (`store.schema` has their history)."""
