"""
The rules of keys and grants: pure. Facts, time and randomness come in; a record or a refusal comes out.

Nothing here reads a clock, a file, the network or the dice.
"""
