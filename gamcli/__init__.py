"""gamcli: API keys for GeneXus Access Manager (GAM) style applications, and the token endpoint that honours them."""

__version__ = "0.1.0"
