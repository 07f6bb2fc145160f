"""
Declarative provisioning: brings the store to the state that manifests describe.

`manifest` reads files into the desired state, `diff` compares it with the store and returns a plan,
`apply` executes it, and `export` writes manifests.
"""
