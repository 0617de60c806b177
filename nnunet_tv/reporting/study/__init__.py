"""What was tested: the flow of cases, the description of the test set, and the items of reporting guidelines."""
