"""What is built: one folder per dataset."""
