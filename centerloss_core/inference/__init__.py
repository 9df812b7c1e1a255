"""A trained network at work on new images. Importing this loads nothing; `model.open_model` imports the framework."""
