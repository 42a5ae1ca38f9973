"""Code → archive: which files and why, their digest, and the archive that is the same on every machine."""
