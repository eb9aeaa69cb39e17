"""A FastAPI or Starlette application of the script's, served with its own routes."""
