"""
Declarative provisioning: what files in git ask for, and what of it the store does not hold yet.

`manifest` reads files into what is desired, `plan` compares that with the store, `apply` does it, `export` writes them.
"""
