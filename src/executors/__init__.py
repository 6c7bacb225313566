"""Who does the units of a large piece of work: the processes of this machine."""
