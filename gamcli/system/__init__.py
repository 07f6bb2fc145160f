"""What gamcli needs of the operating system: signals, new files, the acting user."""
