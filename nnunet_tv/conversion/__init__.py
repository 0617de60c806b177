"""A data set into nnU-Net's raw format: :func:`nnunet_tv.conversion.convert.convert_dataset`."""
