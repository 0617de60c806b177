"""Conversion of data sets to nnU-Net's raw format: :func:`nnunet_tv.conversion.convert.convert_dataset`."""
