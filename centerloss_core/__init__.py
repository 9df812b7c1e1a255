"""Softmax plus center loss on a two-dimensional feature layer: the parts behind the `cl` command."""
