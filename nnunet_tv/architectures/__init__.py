"""Networks, one per file; :mod:`nnunet_tv.architectures.registry` lists them with the facts that plans need."""
