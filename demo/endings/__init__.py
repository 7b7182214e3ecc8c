"""What the demo holds endings to: ranks and prizes computed once more, and who was really paid."""
