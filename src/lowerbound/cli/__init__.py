"""The command line: it only translates between a person and the jobs."""
