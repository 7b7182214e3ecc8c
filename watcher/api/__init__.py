"""The vote API: pairs to judge, votes, standings. Thin: each route parses, asks once and answers."""
