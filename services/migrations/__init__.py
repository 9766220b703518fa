"""The one history of the services' tables."""

import logging

# It tells of itself already while it is imported; what is wrong is raised.
logging.getLogger("alembic").setLevel(logging.WARNING)
