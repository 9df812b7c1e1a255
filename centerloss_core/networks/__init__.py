"""The networks, one file each, and the layers and kernels that they are made of."""
