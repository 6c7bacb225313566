"""Public datasets, one file each: its source, how its files are read, and its protocols.

A file declares, in this order:

- ``PROTOCOLS``: its splits by name, the default first; a prepared dataset is named after its protocol;
- ``DOWNLOAD_FLAGS`` and ``PREPARE_FLAGS``: the flags of its scripts, which are read without importing the file;
- ``DATASET``: a :class:`~biodeephashing.data.sets.dataset.PublicDataset`, which brings and prepares it.

With a script of the same name in ``download/`` and one in ``process/``, each of three lines, that is all a new dataset needs.
"""
