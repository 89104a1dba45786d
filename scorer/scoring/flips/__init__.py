"""Rows that leave the model early, and the bound on how many of them get another answer than the whole model gives."""
