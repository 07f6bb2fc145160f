"""Finding leaked credentials: files, git history, rules for other scanners."""
