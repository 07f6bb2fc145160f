"""The patterns of `gamcli scan` as rules for other scanners, without checksums and status."""

from collections.abc import Callable, Iterator

from gamcli.model.credential_formats import FORMATS


def gitleaks_config() -> Iterator[str]:
    """Yield a configuration that extends the default rules of gitleaks."""
    yield "# Rules for gitleaks: gamcli scan --rules gitleaks >.gitleaks.toml"
    yield "[extend]"
    yield "useDefault = true"
    for kind, (prefix, rest) in FORMATS.items():
        yield ""
        yield "[[rules]]"
        yield f'id = "gam-{kind.lower().replace(" ", "-")}"'
        yield f'description = "GAM {kind}"'
        yield f"regex = '''{prefix}{rest}\\b'''"
        yield f'keywords = ["{prefix}"]'
        yield 'tags = ["gam", "secret"]'


RULE_WRITERS: dict[str, Callable[[], Iterator[str]]] = {"gitleaks": gitleaks_config}
