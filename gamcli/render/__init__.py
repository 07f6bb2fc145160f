"""Format records as text for people (`human`) or programs (`machine`); only `output` prints."""
