"""
Where requests are asked and answers come back: at once, after a commit that grants share, or from who has the time.

The same for every form of the server: its own event loop (`http`) and those of others (`asgi`).
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Generic

from gamcli.actions import Gam
from gamcli.actions.grant_cache import Prepared
from gamcli.server.endpoints import routes
from gamcli.server.group_commit import Ledger
from gamcli.server.refusal_counts import Summaries
from gamcli.server.transport.messages import Response
from gamcli.server.worker_pool import Asking, WaitingRoom


class Desk(Generic[Asking]):
    """
    Answers whoever asks, in one thread that never waits; `ring` is called whenever `served` has something to give.

    It reads the file of `gam.store` through a connection that has no patience, and writes it through another; a store
    in memory has one connection, and is written at once.
    """

    def __init__(self, gam: Gam, conduct: routes.Conduct, ring: Callable[[], None]) -> None:
        self._prepared: Prepared[Response] = Prepared()
        self._conduct = replace(conduct, hurries=True, prepared=self._prepared)
        self._ledger: Ledger[Asking] | None = None
        with ExitStack() as opened:
            self._gam = replace(gam, store=opened.enter_context(gam.store.beside(durable=False, patience=0)))
            self._summaries = opened.enter_context(closing(Summaries(gam)))
            self._room: WaitingRoom[Asking] = opened.enter_context(closing(WaitingRoom(gam, conduct, ring)))
            if not gam.store.is_in_memory:
                written = opened.enter_context(gam.store.beside(durable=True, patience=0))
                self._ledger = opened.enter_context(closing(Ledger(written, ring, self._room.enter)))
            self._opened = opened.pop_all()

    def look(self) -> None:
        """Look whether the store is as it was; to be called when all has come whole that is asked before `turn`."""
        self._prepared.look(self._gam)

    def ask(self, who: Asking) -> routes.Answer | None:
        """Return the answer, or None when it comes later: it is among those `served`."""
        begun = routes.begin(self._gam, who.request, self._conduct)
        if isinstance(begun, routes.Answer):
            return self._noted(begun)
        if isinstance(begun, routes.Later):
            self._room.enter(who)
            return None
        if self._ledger is None:
            return self._noted(begun.alone(self._gam))
        self._ledger.enter(who, begun)
        return None

    def turn(self) -> None:
        """Write what is pending; to be called when nobody else asks at the moment."""
        self._prepared.look_away()
        if self._ledger is not None:
            self._ledger.turn()

    def served(self) -> list[tuple[Asking, routes.Answer]]:
        """Return those whose answer may leave, each once."""
        found = self._room.ready()
        found += self._ledger.settled() if self._ledger is not None else ()
        for _, answer in found:
            self._noted(answer)
        return found

    def _noted(self, answer: routes.Answer) -> routes.Answer:
        """Return the answer; a refusal is summed up for the audit trail."""
        if answer.trace.rule:
            self._summaries.count(answer.trace.rule, answer.trace.client_id)
        return answer

    def close(self) -> None:
        """End the threads."""
        self._opened.close()
