"""Public datasets, one file each: its source, how its files are read, and its protocols.

A file declares, in this order:

- ``PROTOCOLS``: its splits by name, the default first; a prepared dataset is named after its protocol;
- ``DOWNLOAD_FLAGS`` and ``PREPARE_FLAGS``: the flags of its scripts, which are read without importing the file;
- ``DATASET``: a :class:`~biodeephashing.data.sets.dataset.PublicDataset`, which brings and prepares it.

That is all a new dataset needs: ``biodeephashing prepare NAME`` and ``download NAME`` read this directory. Scripts in ``process/`` and
``download/``, of three lines each, say more behind ``-h``.
"""
