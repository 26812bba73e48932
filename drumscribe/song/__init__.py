"""One song: what was found in it, the edits since, and the cheap stages that write its score again."""
