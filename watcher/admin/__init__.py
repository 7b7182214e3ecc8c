"""What operators run: checks of every link, the connector, the group's place, refused records."""
