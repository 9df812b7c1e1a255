"""The configs that come with the program, a YAML file each; `cl configs` lists them."""
