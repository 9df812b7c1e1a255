"""The losses: heads turn features into logits, terms add a scalar. One file each; all are Keras layers."""
