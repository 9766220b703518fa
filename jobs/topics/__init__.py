"""Topics: events that come one by one, from a feed to deliveries of the landing."""
