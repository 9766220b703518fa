"""Audiences that were made over the API: versions that never change, in force from a moment on."""
