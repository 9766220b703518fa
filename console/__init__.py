"""What people look at: the report now, the web pages and their routers later."""
