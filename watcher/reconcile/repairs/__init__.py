"""What was counted of rows is put right, while the stream goes on: once, whoever dies and whatever comes late."""
