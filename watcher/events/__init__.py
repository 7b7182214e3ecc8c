"""What other services are told: kept for those who start anew, and forgotten after some days."""
