"""One file per format; each turns a file into the same table of sentences."""
