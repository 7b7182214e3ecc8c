"""What users and other services were told, as those tell it who heard it: compared with what happened."""
