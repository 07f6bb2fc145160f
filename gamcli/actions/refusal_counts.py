"""What the endpoint refused, summed up for the audit trail."""

from collections.abc import Mapping
from datetime import datetime

from gamcli import store
from gamcli.actions import Gam
from gamcli.model import format_rfc3339

NO_APP = "-"
"""What stands for the application when none was found."""


def record_refusal_counts(gam: Gam, counts: Mapping[str, Mapping[str, int]], since: datetime) -> None:
    """Write one audit entry for each client id in `counts`, "" for none, with how often each rule refused it."""
    with gam.store.writing() as tx:
        for client_id, rules in counts.items():
            app = store.apps.find_by_client_id(tx, client_id) if client_id else None
            known = {} if app is None else {"client_id": app.client_id}
            told = {**known, "refused": dict(rules), "since": format_rfc3339(since), "until": format_rfc3339(gam.now())}
            gam.record(tx, store.audit.REFUSAL_ACTION, NO_APP if app is None else app.name, None, **told)
