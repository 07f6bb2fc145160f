"""
gamcli: API keys for GAM-style (GeneXus Access Manager) applications, and the token endpoint that accepts them.

This is the map of the code.

    Commands parse, actions do, rules decide, the store keeps. Provision plans, the server answers, render prints.

commands     Typer: one file per noun; parse the command line, call one action, print the result
actions      everything that gamcli can do, one function each: load facts, ask a rule, save, audit
rules        pure: facts, time and randomness in; a record or a refusal out
store        SQL in, records out: one file per noun; the engines in `store.sqlite` and `store.postgres`
model        the nouns as frozen records
provision    manifests: read, diff, apply, export
server       the token endpoint: `server.transport` knows no OAuth, `server.endpoints` knows no sockets
clients      HTTP clients of a token endpoint, for `try`, `run` and `quickstart`
conformance  the contract as tables, and what compares a server with it
ephemeral    a development server on a store in memory
testing      the pytest plugin that runs one
scan         finding leaked credentials in files, archives and git history
bulk         CSV files: reading input, writing results
system       the operating system: subprocesses, signals, new files, the acting user
render       the only part that prints: tables for people, fixed fields for programs
manual       the Markdown pages that `gamcli help` shows
errors       one family of errors, each with a code and a hint
normalization  the form in which names are compared

Which part may import which is a table in `tests/test_house.py`; imports point downward only:

    commands ---> server, provision ---> actions ---> rules, store ---> model ---> errors
        +-------> clients, conformance, scan, bulk, system, render

The same noun has the same file name in every part: to change what keys are, open the files called `keys.py`.

Walk 1: `gamcli key generate --user ana --app portal`

1. `commands.main` answers `--version` and completion itself; `commands.root.dispatch` imports the command that was
   named and no other.
2. `commands.keys.generate` gets its options in groups (`commands.options`, `commands.key_options`), and
   `NewKeyOptions.make_spec` builds an `actions.keys.KeySpec`. `commands.delivery.open_for_issuing` opens the store with
   `commands.context.CliContext`, then creates the file of `--out`, before anything is changed.
3. `commands.key_messages.issue_key` calls the action: `actions.keys.generate` opens one write transaction,
   `store.Store.writing`, and loads the user and the application.
4. `rules.keys.issue` returns a record and its secret, or raises RefusedError.
5. An active key of the same user and application is a conflict, or is replaced. `store.keys.add` saves the ID and the
   digest, `actions.Gam.record` writes the audit entry, and the secret is written to its file: all of it or nothing.
6. `commands.delivery.print_result` prints the secret alone on stdout and the message on stderr. An error is printed by
   `render.errors.print_error`, and its exit code is in `commands.EXIT_CODE_BY_ERROR`.

Walk 2: `POST /oauth/gam/v2.0/access_token`

1. `server.transport.event_loop.EventLoop` reads bytes; `server.transport.request_parser.RequestParser` turns them into
   requests, and `server.dispatcher.Dispatcher` collects all requests of a turn.
2. `server.endpoints.routes.handle` finds the endpoint, `server.endpoints.access_token.post_access_token`, which parses
   the form. Passwords, which take 0.3 seconds to hash, go to the threads of `server.worker_pool` first.
3. `server.group_commit.GroupCommit` plans an `actions.issuance.Turn`, which knows what to read: one statement per kind
   (`actions.grant_facts`), less for decisions in `actions.grant_cache`. It begins one transaction with these queries;
   if the audit log has changed since, the turn reads again.
4. The rules of each grant decide one by one (`rules.api_key_grant`, `rules.password_grant` or `rules.refresh_grant`),
   and `Turn.save` writes all rows.
5. A thread commits and waits for the disk. Only then does the response leave: 200, or the row of
   `server.endpoints.refusals.TABLE` for the rule that refused.
6. `server.request_log.RequestLog` writes one line; `server.refusal_counts.RefusalCounts` sums refusals up for the
   audit log.

Walk 3: `gamcli apply gam --secrets-out secrets.env`

1. `provision.manifest.read` turns the files into a `provision.desired.Desired`, or reports every problem with its line.
2. `provision.apply.apply` opens one transaction; `provision.snapshot.read` loads the actual state.
3. `provision.diff.diff` (pure) compares the two; `provision.impacts` finds the keys that would be invalidated. `plan`
   and `drift` stop here.
4. Without the right `--accept-invalidating N`, or a place for new secrets, the change is refused.
5. Each step calls an action, audited as the same command would be. New secrets are on disk before the commit.
"""

__version__ = "0.1.0"
