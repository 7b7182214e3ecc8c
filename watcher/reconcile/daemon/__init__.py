"""What watchers compare by themselves, all the time and one of them at once."""
