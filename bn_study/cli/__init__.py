"""The command line: parse it and run one of its verbs (verb/)."""
