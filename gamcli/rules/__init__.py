"""The rules of keys and grants, as pure functions: facts, time and randomness in, a record or a refusal out."""
