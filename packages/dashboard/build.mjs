// Builds the page into the gateway: static files that it serves.
