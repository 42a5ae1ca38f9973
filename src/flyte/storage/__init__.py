"""Access to objects: a folder of this machine, or a bucket (through `obstore`).

An address is a URI with a scheme, or a plain path. Everything is written to a temporary name and renamed, or
completed as a whole, so that no reader ever sees half an object.
"""
