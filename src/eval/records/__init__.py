"""The files of runs that evaluation reads and writes, and the metrics that they hold."""
