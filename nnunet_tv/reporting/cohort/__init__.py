"""The cohort map: places that the predictions of many subjects mark."""
