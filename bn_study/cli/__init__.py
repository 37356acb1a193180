"""The command line: parses it, and carries out one of its verbs (verb/)."""
