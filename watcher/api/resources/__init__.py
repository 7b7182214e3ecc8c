"""What can be asked for; one file a resource."""
