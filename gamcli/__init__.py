"""
gamcli: API keys for applications in the style of GeneXus Access Manager (GAM), and the token endpoint for them.

This is the map of the code.

    Commands ask, rules decide, the store keeps, actions do; the server answers, render shows.

commands    ask: read a command line, call one action, show what came of it; the exit codes
server      answers: reads an HTTP request, calls one action, writes a response; the table of refusals
provision   plans: files in git in, the steps that lead to them out, done through the actions in one transaction
conformance asks: the contract as a table, held against any server over HTTP; knows no other part
render      shows: tables for people, fixed fields for programs; `render.output` alone prints
actions     do: one function for each thing that gamcli can do
rules       decide: pure; facts, the time and the dice come in, a record or a refusal comes out
store       keeps: SQL in, records out, in one SQLite file
model       the nouns, as frozen records
errors      what can go wrong, as one family

Who may import whom (`tests/test_house.py` holds it; nothing leads back):

    commands ---> server ---> actions ---> rules ---> model, errors
        |                        |                       ^   ^
        |                        +-------> store --------+   |
        +-------> render ------------------------------------+
        +-------> provision ---> actions, store, rules
        +-------> conformance ---> errors

The same noun has the same file name in every part: to change what keys are, open the files called `keys.py`.

Walk 1: `gamcli key generate --user ana --app portal`

1. `commands.main` is the edge to the shell. It answers `--version` and completion itself, and hands all else to
   `commands.root.dispatch`, which imports only the noun that was named.
2. `commands.keys.generate` makes an `actions.keys.KeyWish` of its options. `commands.context.Session` finds the
   settings and opens the store; with the clock, the dice and the name of who acts that is an `actions.Gam`.
   `commands.delivery.place` makes the file of `--out` before anything else happens.
3. `actions.keys.generate` opens one transaction, `store.Store.writing`. `store.users.named` and `store.apps.named` find
   the facts, or raise NotFoundError with a hint.
4. `rules.keys.issue` judges `rules.keys.ISSUING` and returns a record and its secret, or raises RefusedError.
5. A live key of the pair (`store.keys.current`) is a conflict, or ends as replaced. `store.keys.add` keeps the id and
   the digest, `actions.Gam.record` writes the audit entry, and the secret goes to its file: all of it or nothing.
6. `commands.delivery.answer` and `render.output.Output.issued` put the secret alone on stdout, the talk on stderr: 0.
   What was raised on the way, `commands.main` tells with `render.output.error`; its code comes from `commands.CODE_OF`.

Walk 2: `POST /oauth/gam/v2.0/access_token`

1. `server.transport.event_loop.Server` sees which connection is ready. `server.transport.connection.Connection` takes the bytes and
   `server.transport.messages.Inbox` makes a `server.transport.messages.Request` of them. None of these knows OAuth. `server.asgi`
   serves the same endpoints under an ASGI server; `server.transport.workers` runs several processes.
2. `server.dispatcher.Desk` takes the requests that have come, after one look at the store. `server.endpoints.routes.begin` is the edge
   to the client: it finds the endpoint in `server.endpoints.routes.ROUTES`, `server.endpoints.access_token.access_token`, which makes a
   `rules.grants.TokenRequest` of the form (`server.endpoints.token_requests.posted`). A password, which takes long, goes to the
   threads of `server.worker_pool` first.
3. `actions.tokens.decide` reads what the store holds (`actions.grants.facts`); what is not there is None: the store
   does not judge. For a request that comes again, `actions.grant_cache` has it decided, until an admin changes anything.
4. `rules.api_key_grant.decide`, or that of `password_grant` or `refresh_grant`, judges the facts: the protocol, top to
   bottom. The first rule that does not hold speaks; else there is a `rules.grants.Grant`.
5. What is to be written is a `server.endpoints.outcomes.Deferred`. `server.group_commit.Ledger` writes those that came together in one
   transaction: `actions.tokens.keep` mints the token (`rules.credentials.mint_access_token`), keeps its digest
   (`store.tokens.add`) and counts the use. A thread of its own commits, and waits for the disk.
6. Then the answer leaves: 200, or the row of `server.endpoints.refusals.TABLE` that the refusal names; `server.request_log.Log` writes a
   line with that rule. `server.refusal_counts` sums refusals up for the audit trail.

Walk 3: `gamcli apply gam --secrets-out secrets.env`

1. `provision.manifest.read` makes `provision.desired.Desired` of the files, or tells every fault with its line.
2. `provision.apply.apply` opens one transaction. `provision.snapshot.read` finds what there is, `provision.plan.diff`
   (pure) makes the steps that lead from there to what is desired, their records by the same rules as the commands;
   `provision.impacts` weighs the live keys. What `gamcli plan` shows is this, and no more is done for it.
3. Keys that end without their number in `--accept-invalidating`, or new secrets without a place, are refused here.
4. Each step is kept by `actions.users.add`, `actions.apps.save` and their like, audited as a command. The new secrets
   are whole and on disk (`commands.secret_files`) before the transaction is committed.

All have one silhouette: an edge reads, an action finds the facts, a rule decides, the action keeps, the edge tells.
"""

__version__ = "0.1.0"
